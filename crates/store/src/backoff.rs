//! The waits between attempts.

use std::time::Duration;

/// How often something transient is tried, the first time included. With the waits, this is about two seconds.
pub(crate) const ATTEMPTS: u32 = 8;

const FIRST: u64 = 20;
const LONGEST: u64 = 800;

/// Waits before the attempt that follows `attempt`, which counts from 0: a random time below a limit that doubles,
/// so that callers who collided do not collide again.
pub(crate) async fn pause(attempt: u32) {
    let limit = FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    let random = getrandom::u64().unwrap_or(limit);
    tokio::time::sleep(Duration::from_millis(random % limit + 1)).await;
}
