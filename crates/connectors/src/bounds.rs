//! When do calls end, and what is said of one that ended before its work did?

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tidegate_core::{Error, ErrorCode, Result, deadline::Deadline};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout_at,
};

/// How long after its deadline a call may end at the latest. A session that has given its outcome gets this time to be made
/// ready for its next user.
pub(crate) const GRACE: Duration = Duration::from_millis(100);
/// How long the caller of an outcome waits for that at most.
#[cfg(any(feature = "postgres", feature = "mysql"))]
const RETURN_LIMIT: Duration = Duration::from_secs(1);

/// Whether a connector was closed; its calls are told.
#[derive(Debug, Default)]
pub(crate) struct Closing(watch::Sender<bool>);

impl Closing {
    /// Ends the calls under way.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Does some work, which is dropped when the deadline passes or the connector is closed before.
    pub(crate) async fn within<T>(&self, deadline: Instant, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut closed = self.0.subscribe();
        tokio::select! {
            biased;
            done = timeout_at(deadline.into(), work) => done.unwrap_or_else(|_| Err(timed_out())),
            _ = closed.wait_for(|&closed| closed) => Err(self::closed()),
        }
    }
}

/// Makes a session ready for its next user, once its call has an outcome. When that takes too long it is dropped, and the
/// session with it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) async fn hand_back(deadline: Deadline, work: impl Future<Output = ()>) {
    let limit = (Instant::now() + RETURN_LIMIT).min(deadline.instant() + GRACE);
    let _ = timeout_at(limit.into(), work).await;
}

/// The right to use a session, which is waited for until the deadline.
pub(crate) async fn permit(permits: &Arc<Semaphore>, deadline: Deadline) -> Result<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Ok(permit);
    }
    match timeout_at(deadline.instant().into(), Arc::clone(permits).acquire_owned()).await {
        Ok(permit) => permit.map_err(|_| closed()),
        Err(_) => Err(Error::new(
            ErrorCode::Timeout,
            "every session of the source was busy until the deadline; try again, or raise its `max_sessions`",
        )),
    }
}

/// The deadline passed.
pub(crate) fn timed_out() -> Error {
    Error::new(ErrorCode::Timeout, "the database did not finish in time; narrow the statement, or allow it more time")
}

/// The connector was closed before the call, or under it.
pub(crate) fn closed() -> Error {
    Error::new(ErrorCode::SourceUnavailable, "the source was changed or removed meanwhile; try again")
}

/// The error of a commit. Where the database has not said that it failed, it may have happened.
pub(crate) fn of_commit(error: Error) -> Error {
    if error.sqlstate().is_some() && error.code() != ErrorCode::SourceUnavailable {
        return error;
    }
    let message = "the answer to the commit did not come; look whether the change is there before trying again";
    Error::new(error.code(), message).with_context(error)
}

/// The error of a statement that somebody else than Tidegate stopped.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn interrupted(error: Error) -> Error {
    let message = "the statement was stopped on the database server, and not by tidegate; ask its administrator";
    let interrupted = Error::new(ErrorCode::DatabaseError, message).with_context(&error);
    match error.sqlstate() {
        Some(state) => interrupted.with_sqlstate(state),
        None => interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_knows_that_a_commit_failed() {
        let refused = || Error::new(ErrorCode::DatabaseError, "violates a constraint").with_sqlstate("23503");
        assert_eq!(of_commit(refused()).message(), "violates a constraint");
        let shut_down = Error::new(ErrorCode::SourceUnavailable, "ended the session").with_sqlstate("57P01");
        for error in [timed_out(), closed(), shut_down] {
            let code = error.code();
            let error = of_commit(error);
            assert_eq!(error.code(), code);
            assert!(error.message().starts_with("the answer to the commit did not come"), "{error}");
        }
    }
}
