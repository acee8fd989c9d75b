//! What a function starts at its first need.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tidegate_core::{Error, Result};
use tokio::sync::OnceCell;

/// How long after a failure nothing is tried again, so that not every call of a burst tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Something that is started once. A start that failed is tried again when it is needed next.
pub(crate) struct StartOnce<T> {
    started: OnceCell<T>,
    failed: Mutex<Option<(Instant, Error)>>,
}

impl<T> StartOnce<T> {
    pub(crate) fn new() -> Self {
        Self { started: OnceCell::new(), failed: Mutex::default() }
    }

    /// What was started, if it was.
    pub(crate) fn get(&self) -> Option<&T> {
        self.started.get()
    }

    /// What was started, or is by `start`. Who comes while another starts it waits for that.
    pub(crate) async fn get_or_start(&self, start: impl Future<Output = Result<T>>) -> Result<&T> {
        if let Some(started) = self.started.get() {
            return Ok(started);
        }
        if let Some((at, error)) = &*self.failed()
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let started = self.started.get_or_try_init(|| start).await;
        started.inspect_err(|error| *self.failed() = Some((Instant::now(), error.clone())))
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Error)>> {
        // Nothing that is done under the lock can leave it broken.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tidegate_core::ErrorCode;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn it_is_started_once() {
        let (once, starts) = (StartOnce::new(), Cell::new(0));
        let start = async || {
            starts.set(starts.get() + 1);
            Ok(starts.get())
        };
        assert!(once.get().is_none());
        assert_eq!((once.get_or_start(start()).await.unwrap(), once.get_or_start(start()).await.unwrap()), (&1, &1));
        assert_eq!((once.get(), starts.get()), (Some(&1), 1));
    }

    #[tokio::test]
    async fn a_failure_counts_from_its_end() {
        let (once, attempts) = (StartOnce::<()>::new(), Cell::new(0));
        // As long as nothing is tried again after it.
        let start = async || {
            attempts.set(attempts.get() + 1);
            sleep(PAUSE).await;
            Err(Error::new(ErrorCode::Unavailable, "not yet"))
        };
        for _ in 0..2 {
            assert_eq!(once.get_or_start(start()).await.unwrap_err().message(), "not yet");
        }
        assert_eq!(attempts.get(), 1);
        // A moment that lies behind the pause.
        once.failed().as_mut().unwrap().0 -= PAUSE;
        assert!(once.get_or_start(async { Ok(()) }).await.is_ok());
    }
}
