//! How many calls a source takes at once.

use tidegate_core::{Error, ErrorCode, Result, deadline::Deadline};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout_at,
};

/// So many calls may wait for each session that a source may have.
const WAITING_PER_SESSION: usize = 10;

/// The places of one source: as many calls run as it may have sessions, a few more wait in line for them.
pub(crate) struct Admission {
    sessions: Semaphore,
    line: Semaphore,
}

impl Admission {
    /// The places of a source that may have so many sessions.
    pub(crate) fn new(max_sessions: u32) -> Self {
        let sessions = usize::try_from(max_sessions.max(1)).unwrap_or(Semaphore::MAX_PERMITS);
        let line = sessions.saturating_mul(WAITING_PER_SESSION).min(Semaphore::MAX_PERMITS);
        Self { sessions: Semaphore::new(sessions), line: Semaphore::new(line) }
    }

    /// A place to run, as soon as there is one. `RateLimited` when the line is full, `Timeout` when the deadline comes
    /// first. Calls are let in in the order they came in.
    pub(crate) async fn enter(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>> {
        // A free place belongs to the line first, so this overtakes nobody.
        if let Ok(place) = self.sessions.try_acquire() {
            return Ok(place);
        }
        let _in_line = self.line.try_acquire().map_err(|_| {
            Error::new(
                ErrorCode::RateLimited,
                "too many calls wait for this source already; try again later, or raise its `max_sessions`",
            )
        })?;
        match timeout_at(deadline.instant().into(), self.sessions.acquire()).await {
            Ok(place) => place.map_err(Error::internal),
            Err(_) => Err(Error::new(
                ErrorCode::Timeout,
                "every session of the source was busy until the deadline; try again later, or raise its `max_sessions`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures::{FutureExt, future::join_all};

    use super::*;

    fn in_time() -> Deadline {
        Deadline::after(Instant::now(), Duration::from_secs(30))
    }

    #[tokio::test]
    async fn calls_run_then_wait_then_are_refused() {
        let admission = Admission::new(2);
        let (first, _second) = (admission.enter(in_time()).await.unwrap(), admission.enter(in_time()).await.unwrap());
        let mut waiting = Box::pin(join_all((0..20).map(|_| admission.enter(in_time()))));
        assert!((&mut waiting).now_or_never().is_none());
        let refused = admission.enter(in_time()).await.err().unwrap();
        assert_eq!((refused.code(), refused.retry_after_seconds()), (ErrorCode::RateLimited, Some(1)));

        // A place that gets free is the next one's, and makes room in the line.
        drop(first);
        assert!((&mut waiting).now_or_never().is_none());
        assert!(admission.enter(in_time()).now_or_never().is_none());

        // Who gives up leaves the line.
        drop(waiting);
        assert!(admission.enter(in_time()).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_does_so_until_the_deadline() {
        let admission = Admission::new(1);
        let _only = admission.enter(in_time()).await.unwrap();
        let soon = Deadline::after(Instant::now(), Duration::from_millis(5));
        assert_eq!(admission.enter(soon).await.err().unwrap().code(), ErrorCode::Timeout);
    }
}
