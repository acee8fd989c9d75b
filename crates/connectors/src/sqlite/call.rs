//! The call a session works for: when must it stop?

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use tidegate_core::{
    Result,
    deadline::Deadline,
    result::{Flow, RowSink},
};
use tokio::{runtime::Handle, sync::Notify};

use crate::bounds::{Closing, closed, timed_out};

/// It can be stopped.
const STOPPABLE: u8 = 0;
/// It commits, or has: it cannot be stopped any more.
const COMMITTING: u8 = 1;
/// Nobody waits for it.
const ABANDONED: u8 = 2;

/// One call, as its session sees it from another thread.
pub(super) struct Call {
    deadline: Deadline,
    closing: Arc<Closing>,
    stage: AtomicU8,
    on_abandoned: Notify,
}

impl Call {
    /// A call that ends at the deadline or when its pool is closed.
    pub(super) fn new(deadline: Deadline, closing: Arc<Closing>) -> Arc<Self> {
        Arc::new(Self { deadline, closing, stage: AtomicU8::new(STOPPABLE), on_abandoned: Notify::new() })
    }

    /// When it has to be over.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Whether its session has to stop.
    pub(super) fn is_over(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == ABANDONED
            || self.closing.has_begun()
            || self.deadline.instant() <= Instant::now()
    }

    /// An error that says why its session has to stop, if it has to.
    pub(super) fn check(&self) -> Result<()> {
        if self.closing.has_begun() {
            return Err(closed());
        }
        if self.is_over() { Err(timed_out()) } else { Ok(()) }
    }

    /// Lets its session commit, unless that has to stop.
    pub(super) fn begin_commit(&self) -> Result<()> {
        self.check()?;
        let begun = self.stage.compare_exchange(STOPPABLE, COMMITTING, Ordering::Relaxed, Ordering::Relaxed);
        begun.map(drop).map_err(|_| timed_out())
    }

    /// Tells its session to stop. `false` when that may have committed.
    pub(super) fn abandon(&self) -> bool {
        let abandoned = self.stage.compare_exchange(STOPPABLE, ABANDONED, Ordering::Relaxed, Ordering::Relaxed);
        self.on_abandoned.notify_one();
        abandoned != Err(COMMITTING)
    }

    /// Lets the sink hand on what it has, from a thread that may block.
    pub(super) fn drain<S: RowSink>(&self, sink: &mut S, runtime: &Handle) -> Result<Flow> {
        let drained = async {
            tokio::select! {
                flow = sink.drain() => Ok(flow),
                () = self.on_abandoned.notified() => Err(timed_out()),
            }
        };
        runtime.block_on(self.closing.within(self.deadline.instant(), drained))
    }
}

/// Tells the session to stop when the caller's future is dropped.
pub(super) struct AbandonOnDrop(pub(super) Arc<Call>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
