//! Whether sources can be reached.

use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    health::{HealthStatus, SourceHealth},
    source::Source,
    task::Task,
};
use tokio::time::timeout;

use crate::{
    Tasks,
    tasks::Counts,
    walk::{Ended, LIST, Walk},
};

/// How many sources are connected to at once.
const AT_ONCE: usize = 16;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(8);
/// How long all of a check may take, its credentials and its record included.
const CHECK: Duration = Duration::from_secs(30);

#[derive(Debug, Default, Serialize)]
pub(crate) struct Checked {
    ok: usize,
    down: usize,
    failed: usize,
    finished: bool,
}

impl Counts for Checked {
    fn failed(&self) -> usize {
        self.failed
    }
}

/// Checks the sources, and keeps what it finds.
pub(crate) async fn run(tasks: &Tasks, deadline: Deadline) -> Result<Checked> {
    let mut checked = Checked::default();
    let task = Task::SourceHealth.as_str();
    let mut walk = Walk::begin(tasks, task, deadline, LIST + CHECK).await?;
    while let Some(sources) = walk.sources(AT_ONCE).await? {
        for health in join_all(sources.iter().map(|source| check(tasks, source))).await {
            match health {
                Some(HealthStatus::Ok) => checked.ok += 1,
                Some(HealthStatus::Down) => checked.down += 1,
                None => checked.failed += 1,
            }
        }
        walk.note().await?;
    }
    let Ended { finished, unlisted } = walk.end().await?;
    checked.finished = finished;
    checked.failed += unlisted;
    let Checked { ok, down, failed, finished } = checked;
    tracing::info!(task, ok, down, failed, finished, "the task ended");
    Ok(checked)
}

/// Checks a source. None when that could not be found out, or not be kept; the log says why.
async fn check(tasks: &Tasks, source: &Source) -> Option<HealthStatus> {
    let late = Error::new(ErrorCode::Unavailable, "the check did not end in time");
    let kept = timeout(CHECK, keep(tasks, source)).await.unwrap_or(Err(late));
    kept.inspect_err(|error| tracing::error!(source = %source.id, tenant = %source.tenant, ?error, "a check failed"))
        .ok()
}

async fn keep(tasks: &Tasks, source: &Source) -> Result<HealthStatus> {
    let (began_at, began) = (tasks.clock.now(), tasks.clock.instant());
    let outcome = connect(tasks, source, Deadline::after(began, CONNECT)).await;
    let took = tasks.clock.instant().duration_since(began);
    let before = tasks.health.of_sources(source.tenant, source.id..=source.id).await?.remove(&source.id);
    let before = before.filter(|before| source.was_here_at(before.checked_at));
    let health = SourceHealth::found(outcome, began_at, took, before.as_ref())?;
    if before.as_ref().is_some_and(|before| before.status != health.status) {
        let (tenant, name, code) = (source.tenant, &source.name, health.code);
        match health.status {
            HealthStatus::Ok => tracing::info!(%tenant, source = %name, "a source can be reached again"),
            HealthStatus::Down => tracing::warn!(%tenant, source = %name, ?code, "a source cannot be reached"),
        }
    }
    tasks.health.record(source.tenant, source.id, &health).await?;
    Ok(health.status)
}

async fn connect(tasks: &Tasks, source: &Source, deadline: Deadline) -> Result<()> {
    let inspection = tasks.inspector.inspect(source).await?;
    let outcome = inspection.test(deadline).await;
    inspection.close().await;
    outcome
}
