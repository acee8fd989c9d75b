//! Requests that their callers may send again.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// How long a request that comes again is recognised.
pub const RECOGNISED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A request to make an entity that its caller may send again, because it carries a key.
///
/// Neither text holds what the caller sent, nor can it be found out from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// Stands for the caller and the key; the same for every request with both.
    pub key: String,
    /// Stands for what is asked for; the same when all of it is.
    pub fingerprint: String,
    /// When it came.
    pub at: DateTime<Utc>,
}
