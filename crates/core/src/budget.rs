//! The limits of one execution.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The limits of one execution. Each layer may narrow what the layer above allows, and none may widen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// The most rows of one page.
    pub rows: u64,
    /// The most bytes of one encoded page.
    pub bytes: u64,
    /// The most bytes of one cell, before encoding; a longer one is cut and marked.
    pub cell_bytes: u64,
    /// The most wall time, in milliseconds.
    pub time_ms: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { rows: 1_000, bytes: 1 << 20, cell_bytes: 64 << 10, time_ms: 30_000 }
    }
}

/// Limits declared on a source, a query or an API key, or asked for by a caller. What is absent is left as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most rows of one page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub rows: Option<NonZeroU64>,
    /// The most bytes of one encoded page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub bytes: Option<NonZeroU64>,
    /// The most bytes of one cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub cell_bytes: Option<NonZeroU64>,
    /// The most wall time, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub time_ms: Option<NonZeroU64>,
}

impl Limits {
    /// These limits with a wall time of at most `time_ms`.
    #[must_use]
    pub fn within(self, time_ms: Option<NonZeroU64>) -> Self {
        self.narrowed(&Self { time_ms, ..Self::default() })
    }

    /// The limits of both: each number is the lesser of the two.
    #[must_use]
    pub fn narrowed(self, other: &Self) -> Self {
        let least = |ours: Option<NonZeroU64>, theirs: Option<NonZeroU64>| ours.into_iter().chain(theirs).min();
        Self {
            rows: least(self.rows, other.rows),
            bytes: least(self.bytes, other.bytes),
            cell_bytes: least(self.cell_bytes, other.cell_bytes),
            time_ms: least(self.time_ms, other.time_ms),
        }
    }
}

impl Budget {
    /// The budget after `limits`: each number is the lesser of the two.
    #[must_use]
    pub fn narrowed(self, limits: &Limits) -> Self {
        let least = |ours: u64, theirs: Option<NonZeroU64>| theirs.map_or(ours, |theirs| theirs.get().min(ours));
        Self {
            rows: least(self.rows, limits.rows),
            bytes: least(self.bytes, limits.bytes),
            cell_bytes: least(self.cell_bytes, limits.cell_bytes),
            time_ms: least(self.time_ms, limits.time_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_time_is_the_least_that_was_asked_for() {
        let of = |time_ms| Limits { time_ms: NonZeroU64::new(time_ms), ..Limits::default() };
        assert_eq!(of(20).within(NonZeroU64::new(10)), of(10));
        assert_eq!(of(10).within(NonZeroU64::new(20)), of(10));
        assert_eq!(of(0).within(NonZeroU64::new(20)), of(20));
        assert_eq!(of(10).within(None), of(10));
    }

    #[test]
    fn limits_join_to_the_lesser_of_each_number() {
        let of = |rows, bytes, cell_bytes, time_ms| Limits {
            rows: NonZeroU64::new(rows),
            bytes: NonZeroU64::new(bytes),
            cell_bytes: NonZeroU64::new(cell_bytes),
            time_ms: NonZeroU64::new(time_ms),
        };
        assert_eq!(of(1, 20, 0, 4).narrowed(&of(10, 2, 3, 0)), of(1, 2, 3, 4));
        assert_eq!(of(0, 0, 0, 0).narrowed(&of(0, 0, 0, 0)), of(0, 0, 0, 0));
    }

    #[test]
    fn limits_narrow_and_never_widen() {
        let budget = Budget::default();
        let narrowed =
            budget.narrowed(&Limits { rows: NonZeroU64::new(10), bytes: Some(NonZeroU64::MAX), ..Limits::default() });
        assert_eq!(narrowed, Budget { rows: 10, ..budget });
    }
}
