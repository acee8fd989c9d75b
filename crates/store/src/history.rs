//! The history, written behind the calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tidegate_core::{
    Error, ErrorCode, Result,
    execution::{Execution, ExecutionFilter, ExecutionPage},
    id::{ExecutionId, TenantId},
    ports::Executions,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::failure::unavailable;

/// How many records may wait. At a thousand calls a second this is four seconds of a store that does not answer.
const CAPACITY: usize = 4096;

/// The most records of one write.
const BATCH: usize = 100;

/// How long a record may wait for others to be written with.
const LINGER: Duration = Duration::from_millis(50);

/// A history that takes several records in one write.
#[async_trait]
pub trait BatchExecutions: Executions {
    /// Records executions, in any order. On an error, any of them may have been recorded.
    async fn record_all(&self, executions: &[Execution]) -> Result<()>;
}

/// A history for a process that lives on: [`record`](Executions::record) only puts the record in a queue, and a task
/// writes the queue in batches. A full queue makes the caller wait. What waits in the queue is lost when the process
/// is killed, so call [`flush`](Self::flush) before it ends.
pub struct BufferedExecutions {
    inner: Arc<dyn BatchExecutions>,
    queue: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

enum Entry {
    Record(Box<Execution>),
    Flush(oneshot::Sender<()>),
}

impl BufferedExecutions {
    /// Starts the task that writes to `inner`. It ends, after its last write, when this is dropped.
    /// It must be called inside a Tokio runtime.
    pub fn new(inner: Arc<dyn BatchExecutions>) -> Self {
        let lost = Arc::new(AtomicU64::new(0));
        let (queue, entries) = mpsc::channel(CAPACITY);
        tokio::spawn(write_behind(Arc::clone(&inner), entries, Arc::clone(&lost)));
        Self { inner, queue, lost }
    }

    /// Waits until everything recorded before is written. `Unavailable` when records were lost since the last flush
    /// because the store did not take them.
    pub async fn flush(&self) -> Result<()> {
        self.written().await?;
        match self.lost.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            lost => Err(Error::new(
                ErrorCode::Unavailable,
                format!("{lost} executions are missing in the history: the store did not take them"),
            )),
        }
    }

    async fn written(&self) -> Result<()> {
        let (done, written) = oneshot::channel();
        self.queue.send(Entry::Flush(done)).await.map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())
    }
}

#[async_trait]
impl Executions for BufferedExecutions {
    async fn record(&self, execution: Execution) -> Result<()> {
        self.queue.send(Entry::Record(Box::new(execution))).await.map_err(|_| stopped())
    }

    /// What this process recorded before is part of it.
    async fn page(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ExecutionPage> {
        self.written().await?;
        self.inner.page(tenant, filter, after, limit).await
    }

    async fn by_id(&self, tenant: TenantId, id: ExecutionId) -> Result<Option<Execution>> {
        self.written().await?;
        self.inner.by_id(tenant, id).await
    }
}

fn stopped() -> Error {
    unavailable("history").with_context("the task that writes it has ended")
}

async fn write_behind(inner: Arc<dyn BatchExecutions>, mut entries: mpsc::Receiver<Entry>, lost: Arc<AtomicU64>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = entries.recv().await {
        let mut next = Some(first);
        let mut flush = None;
        let deadline = Instant::now() + LINGER;
        while let Some(entry) = next {
            match entry {
                Entry::Record(execution) => batch.push(*execution),
                Entry::Flush(done) => flush = Some(done),
            }
            if flush.is_some() || batch.len() == BATCH {
                break;
            }
            next = timeout_at(deadline, entries.recv()).await.ok().flatten();
        }
        if !batch.is_empty()
            && let Err(error) = inner.record_all(&batch).await
        {
            lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
            tracing::error!(?error, records = batch.len(), "executions are missing in the history");
        }
        batch.clear();
        if let Some(done) = flush {
            // Nobody waits for it any more when this fails.
            let _ = done.send(());
        }
    }
}
