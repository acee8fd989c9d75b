//! A sink that is lent to a session's thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::Result;

use super::call;

/// A sink that the caller can take back at any time, also while the thread is held up inside SQLite. The thread has it
/// for one row at a time.
pub(super) struct Lent<S>(Arc<Mutex<Option<S>>>);

impl<S> Clone for Lent<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Lent<S> {
    pub(super) fn new(sink: S) -> Self {
        Self(Arc::new(Mutex::new(Some(sink))))
    }

    /// Uses the sink; an error when it was taken back, for the call is over then.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut S) -> Result<T>) -> Result<T> {
        self.lock().as_mut().map_or_else(|| Err(call::timed_out()), work)
    }

    /// The sink itself, once.
    pub(super) fn take_back(&self) -> Option<S> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
