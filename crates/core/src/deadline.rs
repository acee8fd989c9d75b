//! The moment by which a call has to be over.

use std::time::{Duration, Instant};

/// A point on the monotonic clock. It is made once at the edge and handed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `budget` after `now`.
    pub fn after(now: Instant, budget: Duration) -> Self {
        // An `Instant` cannot hold the far future on every platform; a day is more than any call may take.
        Self(now + budget.min(Duration::from_secs(86_400)))
    }

    /// The earlier of two.
    #[must_use]
    pub fn or_earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// The moment itself, for a runtime's timer.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left at `now`; zero once it has passed.
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }
}
