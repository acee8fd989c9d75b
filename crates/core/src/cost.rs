//! What a database may expect a statement to take before it is let run.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Error, ErrorCode, Result,
    error::Fault,
    source::{Source, SourceKind},
};

/// The most that the database may expect a statement to take. With one of them, the database is asked for its plan
/// before every execution, and a statement that is expected to take more does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxEstimate {
    /// The most that the whole statement may cost, in the unit of the database's planner. MariaDB before 11 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub cost: Option<NonZeroU64>,
    /// The most rows that one step of the plan may read or give, also when later steps reduce them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub rows: Option<NonZeroU64>,
}

impl MaxEstimate {
    /// Whether it allows everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |one: Option<NonZeroU64>, two: Option<NonZeroU64>| one.into_iter().chain(two).min();
        Self { cost: least(self.cost, other.cost), rows: least(self.rows, other.rows) }
    }

    /// `InvalidRequest` when sources of this kind expect nothing, so that no statement could be held against it.
    pub fn check(&self, kind: SourceKind) -> Result<()> {
        if self.is_empty() || kind != SourceKind::Sqlite {
            return Ok(());
        }
        let fault = Fault::of(
            "max_estimate",
            "SQLite's plans have no estimates; leave `max_estimate` out, and bound a call with `limits.time_ms`",
        );
        Err(Error::new(ErrorCode::InvalidRequest, fault.message.clone()).with_faults(vec![fault]))
    }

    /// What a statement on this source is held against: what the source and this allow. Fails like [`Self::check`].
    pub fn on(self, source: &Source) -> Result<Self> {
        let both = self.and(source.max_estimate);
        both.check(source.connection.kind())?;
        Ok(both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cost: u64, rows: u64) -> MaxEstimate {
        MaxEstimate { cost: NonZeroU64::new(cost), rows: NonZeroU64::new(rows) }
    }

    #[test]
    fn the_stricter_number_of_two_holds() {
        assert_eq!(of(10, 500).and(of(20, 400)), of(10, 400));
        assert_eq!(of(10, 0).and(of(0, 400)), of(10, 400));
        assert!(of(0, 0).and(of(0, 0)).is_empty());
    }

    #[test]
    fn only_what_has_estimates_can_be_bounded() {
        let error = of(0, 1).check(SourceKind::Sqlite).unwrap_err();
        assert_eq!(
            (error.code(), error.faults()[0].field.as_deref()),
            (ErrorCode::InvalidRequest, Some("max_estimate"))
        );
        of(0, 0).check(SourceKind::Sqlite).unwrap();
        of(1, 1).check(SourceKind::Postgres).unwrap();
        of(1, 1).check(SourceKind::Mysql).unwrap();
    }

    #[test]
    fn a_bound_is_a_whole_number_above_zero() {
        let read = |text| serde_json::from_str::<MaxEstimate>(text);
        assert_eq!(read(r#"{"cost": 10, "rows": 400}"#).unwrap(), of(10, 400));
        assert!(read("{}").unwrap().is_empty());
        for wrong in [r#"{"rows": 0}"#, r#"{"cost": -1}"#, r#"{"cost": 1.5}"#, r#"{"row": 1}"#] {
            read(wrong).unwrap_err();
        }
    }
}
