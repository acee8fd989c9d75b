//! The record of an execution, written however it ends.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use tidegate_core::{
    ErrorCode, Name, Result,
    execution::{Execution, Timing},
    id::{ExecutionId, QueryId, RequestId, SourceId},
    ports::{Clock, Executions, Ids},
    principal::Principal,
    result::Truncated,
};
use tokio::{runtime::Handle, task::coop::unconstrained};

use crate::{
    engine::EngineParts,
    timing::{Moments, micros},
};

/// What is known of an execution before it runs.
pub(crate) struct Record {
    pub(crate) principal: Arc<Principal>,
    pub(crate) request: Option<RequestId>,
    pub(crate) query: Option<(QueryId, u64)>,
    pub(crate) server: Option<Name>,
    pub(crate) source: SourceId,
    pub(crate) fingerprint: String,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) arguments: Option<Map<String, Json>>,
}

/// What an execution has come to so far. Its sink writes it, and whoever ends the execution reads it.
pub(crate) struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
    moments: Mutex<Moments>,
}

impl Progress {
    /// The progress of a run that has a statement and no more.
    pub(crate) fn of(moments: Moments) -> Self {
        Self { rows: AtomicU64::new(0), bytes: AtomicU64::new(0), moments: Mutex::new(moments) }
    }

    /// Notes what is written so far.
    pub(crate) fn wrote(&self, rows: u64, bytes: u64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Notes a moment.
    pub(crate) fn note(&self, which: impl FnOnce(&mut Moments) -> &mut Option<Instant>) {
        *which(&mut self.moments.lock().unwrap_or_else(PoisonError::into_inner)) = Some(Instant::now());
    }

    /// The moments so far.
    pub(crate) fn moments(&self) -> Moments {
        *self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an execution ended.
pub(crate) struct Ended {
    pub(crate) timing: Timing,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) truncated: Option<Truncated>,
    pub(crate) error: Option<ErrorCode>,
}

/// Writes the record of one execution. When it is dropped before [`Recorder::ended`] the run was dropped too, because its
/// caller has gone away: then it records what there was until then.
pub(crate) struct Recorder {
    executions: Arc<dyn Executions>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    /// None once it is recorded.
    record: Option<Record>,
    progress: Arc<Progress>,
}

impl Recorder {
    pub(crate) fn new(parts: &EngineParts, record: Record, progress: Arc<Progress>) -> Self {
        Self {
            executions: Arc::clone(&parts.executions),
            clock: Arc::clone(&parts.clock),
            ids: Arc::clone(&parts.ids),
            record: Some(record),
            progress,
        }
    }

    /// Records how the execution ended.
    pub(crate) async fn ended(mut self, ended: Ended) -> Result<()> {
        match self.take(ended) {
            Some(execution) => Recording::of(&self.executions, execution).await,
            None => Ok(()),
        }
    }

    fn take(&mut self, ended: Ended) -> Option<Execution> {
        let record = self.record.take()?;
        let Ended { timing, rows, bytes, truncated, error } = ended;
        Some(Execution {
            id: ExecutionId::from_uuid(self.ids.uuid()),
            tenant: record.principal.tenant,
            request: record.request,
            caller: record.principal.caller.clone(),
            query: record.query,
            server: record.server,
            source: record.source,
            fingerprint: record.fingerprint,
            started_at: record.started_at,
            elapsed_us: micros(self.progress.moments().began, self.clock.instant()),
            timing,
            rows,
            bytes,
            truncated,
            error,
            arguments: record.arguments,
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.record.is_none() {
            return;
        }
        let error = if std::thread::panicking() { ErrorCode::Internal } else { ErrorCode::Cancelled };
        let ended = Ended {
            timing: self.progress.moments().timing(None, Duration::ZERO),
            rows: self.progress.rows.load(Ordering::Relaxed),
            bytes: self.progress.bytes.load(Ordering::Relaxed),
            truncated: None,
            error: Some(error),
        };
        if let Some(execution) = self.take(ended) {
            drop(Recording::of(&self.executions, execution));
        }
    }
}

/// An execution on its way into the history. Dropped, it goes on without whoever waited for it.
struct Recording(Option<Pin<Box<dyn Future<Output = Result<()>> + Send>>>);

impl Recording {
    fn of(executions: &Arc<dyn Executions>, execution: Execution) -> Self {
        let executions = Arc::clone(executions);
        Self(Some(Box::pin(async move { executions.record(execution).await })))
    }
}

impl Future for Recording {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(writing) = &mut self.0 else { return Poll::Ready(Ok(())) };
        let written = ready!(writing.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(written)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and so is the history.
        let (Some(writing), Ok(runtime)) = (self.0.take(), Handle::try_current()) else { return };
        let mut writing = Box::pin(async move {
            if let Err(error) = writing.await {
                tracing::error!(?error, "an execution is missing in the history");
            }
        });
        // A history that only queues it does so here, however much of its turn this task has used up: whoever ended the
        // call may wait for what is queued before any other task comes to run.
        let mut context = Context::from_waker(Waker::noop());
        if pin!(unconstrained(writing.as_mut())).poll(&mut context).is_pending() {
            runtime.spawn(writing);
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::FutureExt;
    use tidegate_core::{
        budget::Limits,
        execution::{ExecutionFilter, ExecutionPage},
        id::{ApiKeyId, TenantId},
        principal::{Caller, Role, Scope},
    };
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;

    /// A history that writes when it is let.
    struct Slow {
        writes: Semaphore,
        written: Mutex<Vec<Execution>>,
    }

    #[async_trait]
    impl Executions for Slow {
        async fn record(&self, execution: Execution) -> Result<()> {
            self.writes.acquire().await.unwrap().forget();
            self.written.lock().unwrap().push(execution);
            Ok(())
        }

        async fn page(&self, _: TenantId, _: &ExecutionFilter, _: Option<&str>, _: usize) -> Result<ExecutionPage> {
            unimplemented!()
        }

        async fn by_id(&self, _: TenantId, _: ExecutionId) -> Result<Option<Execution>> {
            unimplemented!()
        }
    }

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn instant(&self) -> Instant {
            Instant::now()
        }
    }

    impl Ids for Fixed {
        fn uuid(&self) -> Uuid {
            Uuid::nil()
        }

        fn random(&self, _: &mut [u8]) -> Result<()> {
            unimplemented!()
        }
    }

    fn recorder(executions: &Arc<Slow>) -> Recorder {
        let principal = Principal {
            tenant: TenantId::from_uuid(Uuid::nil()),
            tenant_name: "demo".parse().unwrap(),
            caller: Caller::ApiKey(ApiKeyId::from_uuid(Uuid::nil())),
            role: Role::Owner,
            scope: Scope::default(),
            limits: Limits::default(),
        };
        let record = Record {
            principal: Arc::new(principal),
            request: None,
            query: None,
            server: None,
            source: SourceId::from_uuid(Uuid::nil()),
            fingerprint: String::new(),
            started_at: DateTime::UNIX_EPOCH,
            arguments: None,
        };
        let now = Instant::now();
        Recorder {
            executions: Arc::<Slow>::clone(executions),
            clock: Arc::new(Fixed),
            ids: Arc::new(Fixed),
            record: Some(record),
            progress: Arc::new(Progress::of(Moments::of(now, now))),
        }
    }

    fn slow(writes: usize) -> Arc<Slow> {
        Arc::new(Slow { writes: Semaphore::new(writes), written: Mutex::default() })
    }

    /// Waits until there is one record, and gives back how its execution ended.
    async fn recorded(executions: &Slow) -> Option<ErrorCode> {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(10), "there is no record");
            if let [execution] = executions.written.lock().unwrap().as_slice() {
                return execution.error;
            }
            tokio::task::yield_now().await;
        }
    }

    fn ended() -> Ended {
        Ended { timing: Timing::default(), rows: 1, bytes: 2, truncated: None, error: None }
    }

    #[tokio::test]
    async fn a_caller_that_leaves_while_it_is_recorded_leaves_the_record() {
        let executions = slow(0);
        let waiting = recorder(&executions).ended(ended()).now_or_never();
        assert!(waiting.is_none(), "the history is slow");
        executions.writes.add_permits(1);
        assert_eq!(recorded(&executions).await, None);
    }

    #[tokio::test]
    async fn a_dropped_call_is_recorded_at_once_by_a_history_that_does_not_wait() {
        let executions = slow(1);
        drop(recorder(&executions));
        assert_eq!(executions.written.lock().unwrap().len(), 1);
        assert_eq!(recorded(&executions).await, Some(ErrorCode::Cancelled));
    }

    #[tokio::test]
    async fn a_dropped_call_is_recorded_later_by_a_history_that_waits() {
        let executions = slow(0);
        drop(recorder(&executions));
        executions.writes.add_permits(1);
        assert_eq!(recorded(&executions).await, Some(ErrorCode::Cancelled));
    }
}
