//! The call a session works for: when must it stop?

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    result::{Flow, RowSink},
};
use tokio::{runtime::Handle, sync::Notify, time::timeout_at};

/// One call, as its session sees it from another thread.
pub(super) struct Call {
    deadline: Deadline,
    closed: Arc<AtomicBool>,
    abandoned: AtomicBool,
    on_abandoned: Notify,
}

impl Call {
    /// A call that ends at the deadline or when `closed` is set.
    pub(super) fn new(deadline: Deadline, closed: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { deadline, closed, abandoned: AtomicBool::new(false), on_abandoned: Notify::new() })
    }

    /// When it has to be over.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Whether its session has to stop.
    pub(super) fn is_over(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
            || self.closed.load(Ordering::Relaxed)
            || self.deadline.instant() <= Instant::now()
    }

    /// An error that says why its session has to stop, if it has to.
    pub(super) fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(closed());
        }
        if self.is_over() { Err(timed_out()) } else { Ok(()) }
    }

    /// Lets the sink hand on what it has, from a thread that may block.
    pub(super) fn drain<S: RowSink>(&self, sink: &mut S, runtime: &Handle) -> Result<Flow> {
        let drained = async {
            tokio::select! {
                flow = sink.drain() => Some(flow),
                () = self.on_abandoned.notified() => None,
            }
        };
        let within = async { timeout_at(self.deadline.instant().into(), drained).await };
        runtime.block_on(within).ok().flatten().ok_or_else(timed_out)
    }
}

/// Tells the session to stop when the caller's future is dropped.
pub(super) struct AbandonOnDrop(pub(super) Arc<Call>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
        self.0.on_abandoned.notify_one();
    }
}

/// The call took all its time.
pub(super) fn timed_out() -> Error {
    Error::new(ErrorCode::Timeout, "the statement did not end in time: narrow it, or allow it more time")
}

/// The pool was closed under the call.
pub(super) fn closed() -> Error {
    Error::new(ErrorCode::SourceUnavailable, "the source was closed or changed during the call: call again")
}
