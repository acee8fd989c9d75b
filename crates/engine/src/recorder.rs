//! The record of an execution, written however it ends.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use tidegate_core::{
    ErrorCode, Name, Result,
    execution::{Execution, Timing},
    id::{ExecutionId, QueryId, RequestId, SourceId},
    ports::{Clock, Executions, Ids},
    principal::{Caller, Principal},
    result::Truncated,
};
use tokio::runtime::Handle;

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
            Some(execution) => self.executions.record(execution).await,
            None => Ok(()),
        }
    }

    fn take(&mut self, ended: Ended) -> Option<Execution> {
        let record = self.record.take()?;
        let Caller::ApiKey(api_key) = record.principal.caller;
        let Ended { timing, rows, bytes, truncated, error } = ended;
        Some(Execution {
            id: ExecutionId::from_uuid(self.ids.uuid()),
            tenant: record.principal.tenant,
            request: record.request,
            api_key,
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
        // Without a runtime the process is ending, and so is the history.
        if let (Some(execution), Ok(runtime)) = (self.take(ended), Handle::try_current()) {
            let executions = Arc::clone(&self.executions);
            runtime.spawn(async move {
                if let Err(error) = executions.record(execution).await {
                    tracing::error!(?error, "a cancelled execution is missing in the history");
                }
            });
        }
    }
}
