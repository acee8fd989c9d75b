//! A sink that is lent to a session's thread.

use std::sync::Arc;

use tidegate_core::Result;
use tokio::sync::Mutex;

use crate::bounds::timed_out;

/// A sink that the caller can take back at any time, also while the thread is held up inside SQLite. The thread has it
/// for one row at a time, and for as long as that row is handed on.
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

    /// Uses the sink, from a thread that may block; an error when it was taken back, for the call is over then.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut S) -> Result<T>) -> Result<T> {
        self.0.blocking_lock().as_mut().map_or_else(|| Err(timed_out()), work)
    }

    /// The sink itself, once.
    pub(super) async fn take_back(&self) -> Option<S> {
        self.0.lock().await.take()
    }
}
