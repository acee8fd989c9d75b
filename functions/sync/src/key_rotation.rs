//! Which credentials should be replaced.

use std::time::Duration;

use serde::Serialize;
use tidegate_core::{
    Error, ErrorCode, Name, Result, deadline::Deadline, id::TenantId, ports::all, rotation::RotationDue, task::Task,
};
use tokio::time::timeout;

use crate::{Tasks, tasks::Counts, walk::Walk};

/// How long a tenant may take.
const STEP: Duration = Duration::from_secs(20);
/// How many credentials a run logs by name. The others are counted.
const NAMED: usize = 100;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Due {
    keys: usize,
    sources: usize,
    failed: usize,
    finished: bool,
}

impl Counts for Due {
    fn failed(&self) -> usize {
        self.failed
    }
}

/// Looks for API keys that expire soon, and for API keys and credentials of sources that are old. Each is a line of the log,
/// and one line counts them.
pub(crate) async fn run(tasks: &Tasks, deadline: Deadline) -> Result<Due> {
    let mut due = Due::default();
    let task = Task::KeyRotation.as_str();
    let mut walk = Walk::begin(tasks, task, deadline, STEP).await?;
    while let Some(tenant) = walk.tenant().await? {
        let late = Error::new(ErrorCode::Unavailable, "the tenant takes too long");
        if let Err(error) = timeout(STEP, examine(tasks, tenant, &mut due)).await.unwrap_or(Err(late)) {
            due.failed += 1;
            tracing::error!(%tenant, ?error, "the credentials of a tenant could not be examined");
        }
        walk.note().await?;
    }
    due.finished = walk.end().await?.finished;
    let Due { keys, sources, failed, finished } = due;
    tracing::info!(task, keys, sources, failed, finished, "the task ended");
    Ok(due)
}

async fn examine(tasks: &Tasks, tenant: TenantId, due: &mut Due) -> Result<()> {
    let now = tasks.clock.now();
    for key in all(&*tasks.keys, tenant).await? {
        if let Some(reason) = tasks.rotation.of_key(&key, now) {
            tell(due, tenant, "api_key", &key.name, reason);
            due.keys += 1;
        }
    }
    for source in all(&*tasks.sources, tenant).await? {
        if let Some(reason) = tasks.rotation.of_source(&source, now) {
            tell(due, tenant, "source", &source.name, reason);
            due.sources += 1;
        }
    }
    Ok(())
}

fn tell(due: &Due, tenant: TenantId, kind: &str, name: &Name, reason: RotationDue) {
    if due.keys + due.sources < NAMED {
        tracing::warn!(task = Task::KeyRotation.as_str(), %tenant, kind, %name, %reason, "credentials should be replaced");
    }
}
