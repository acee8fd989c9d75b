//! Whether a source could be reached, when that was tried last.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, ErrorCode, Result};

/// Whether a source could be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It answered.
    Ok,
    /// It did not, or refused the login.
    Down,
}

/// What the last check of a source found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceHealth {
    /// When the check began.
    pub checked_at: DateTime<Utc>,
    /// Whether it could be reached.
    pub status: HealthStatus,
    /// When a check found this status first, without another in between.
    pub since: DateTime<Utc>,
    /// How long the check took, in milliseconds.
    pub latency_ms: u64,
    /// Why it could not be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl SourceHealth {
    /// What a check found at `checked_at`, which is the outcome itself when it says nothing of the source: a part of
    /// Tidegate failed.
    pub fn found(
        outcome: Result<()>,
        checked_at: DateTime<Utc>,
        took: Duration,
        before: Option<&Self>,
    ) -> Result<Self> {
        let error = match outcome {
            Ok(()) => None,
            Err(error) if matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal) => return Err(error),
            Err(error) => Some(error),
        };
        let status = if error.is_none() { HealthStatus::Ok } else { HealthStatus::Down };
        Ok(Self {
            checked_at,
            status,
            since: before.filter(|before| before.status == status).map_or(checked_at, |before| before.since),
            latency_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            code: error.as_ref().map(Error::code),
            message: error.as_ref().map(|error| error.message().to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(minute: i64, outcome: Result<()>, before: Option<&SourceHealth>) -> Result<SourceHealth> {
        let at = DateTime::from_timestamp(minute * 60, 0).unwrap();
        SourceHealth::found(outcome, at, Duration::from_micros(2_900), before)
    }

    #[test]
    fn a_status_lasts_since_the_first_check_that_found_it() {
        let refused = || Err(Error::new(ErrorCode::SourceUnavailable, "db:5432 refuses the connection"));
        let up = check(1, Ok(()), None).unwrap();
        assert_eq!((up.status, up.since, up.latency_ms, up.code), (HealthStatus::Ok, up.checked_at, 2, None));
        let down = check(2, refused(), Some(&up)).unwrap();
        assert_eq!((down.status, down.since), (HealthStatus::Down, down.checked_at));
        assert_eq!(down.code, Some(ErrorCode::SourceUnavailable));
        let still = check(3, refused(), Some(&down)).unwrap();
        assert_eq!((still.since, still.message.as_deref()), (down.since, Some("db:5432 refuses the connection")));
        let back = check(4, Ok(()), Some(&still)).unwrap();
        assert_eq!((back.since, back.message), (back.checked_at, None));
    }

    #[test]
    fn a_fault_of_our_own_says_nothing_of_the_source() {
        for code in [ErrorCode::Unavailable, ErrorCode::Internal] {
            let error = check(1, Err(Error::new(code, "the vault cannot be reached")), None).unwrap_err();
            assert_eq!(error.code(), code);
        }
    }
}
