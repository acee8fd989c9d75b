//! What sources contain.

use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    snapshot::{CatalogContent, SchemaContent},
    source::Source,
    task::Task,
};
use tokio::time::timeout;

use crate::{
    Tasks,
    inspect::Inspect,
    tasks::Counts,
    walk::{Ended, LIST, Walk},
};

/// How many sources are looked at at once.
const AT_ONCE: usize = 4;
/// How long a look at one may take.
const LOOK: Duration = Duration::from_secs(120);
/// How long a look and keeping what it found may take.
const STEP: Duration = Duration::from_secs(140);

/// How many sources one run looks at.
const RUN_SOURCES: usize = 1_000;
/// After how many tables a run ends.
const RUN_TABLES: usize = 20_000;
/// How many tables of one source are kept.
const SOURCE_TABLES: usize = 2_000;
/// How many bytes of one source are kept, as JSON. An answer of the gateway holds as much.
const SOURCE_BYTES: usize = 4_000_000;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Taken {
    changed: usize,
    unchanged: usize,
    unreachable: usize,
    tables: usize,
    failed: usize,
    finished: bool,
}

impl Counts for Taken {
    fn failed(&self) -> usize {
        self.failed
    }
}

/// Looks at the sources, and keeps what they contain.
pub(crate) async fn run(tasks: &Tasks, deadline: Deadline) -> Result<Taken> {
    let mut taken = Taken::default();
    let mut looked_at = 0;
    let task = Task::CatalogSnapshots.as_str();
    let mut walk = Walk::begin(tasks, task, deadline, LIST + STEP).await?;
    while looked_at < RUN_SOURCES
        && taken.tables < RUN_TABLES
        && let Some(sources) = walk.sources(AT_ONCE).await?
    {
        looked_at += sources.len();
        for outcome in join_all(sources.iter().map(|source| take(tasks, source))).await {
            match outcome {
                Outcome::Kept { is_changed, tables } => {
                    taken.tables += tables;
                    *(if is_changed { &mut taken.changed } else { &mut taken.unchanged }) += 1;
                }
                Outcome::Unreachable => taken.unreachable += 1,
                Outcome::Failed => taken.failed += 1,
            }
        }
        walk.note().await?;
    }
    let Ended { finished, unlisted } = walk.end().await?;
    taken.finished = finished;
    taken.failed += unlisted;
    let Taken { changed, unchanged, unreachable, tables, failed, finished } = taken;
    tracing::info!(task, changed, unchanged, unreachable, tables, failed, finished, "the task ended");
    Ok(taken)
}

enum Outcome {
    Kept { is_changed: bool, tables: usize },
    Unreachable,
    Failed,
}

async fn take(tasks: &Tasks, source: &Source) -> Outcome {
    let late = Error::new(ErrorCode::Unavailable, "the snapshot was not kept in time");
    let (source_id, tenant) = (source.id, source.tenant);
    match timeout(STEP, look_and_keep(tasks, source)).await.unwrap_or(Err(late)) {
        Ok((is_changed, tables)) => Outcome::Kept { is_changed, tables },
        Err(error) if matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal) => {
            tracing::error!(source = %source_id, %tenant, ?error, "a snapshot failed");
            Outcome::Failed
        }
        // Another run keeps a snapshot of this source at the same moment.
        Err(error) if error.code() == ErrorCode::VersionConflict => Outcome::Kept { is_changed: false, tables: 0 },
        Err(error) => {
            tracing::warn!(source = %source.name, %tenant, code = %error.code(), reason = error.message(), "no snapshot");
            Outcome::Unreachable
        }
    }
}

async fn look_and_keep(tasks: &Tasks, source: &Source) -> Result<(bool, usize)> {
    let (began_at, deadline) = (tasks.clock.now(), Deadline::after(tasks.clock.instant(), LOOK));
    let inspection = tasks.inspector.inspect(source).await?;
    let content = look(&*inspection, deadline).await;
    inspection.close().await;
    let content = content?;
    let tables = content.schemas.iter().map(|schema| schema.tables.len()).sum();
    let is_changed = tasks.catalogs.keep(source.tenant, source.id, &content, began_at).await?;
    Ok((is_changed, tables))
}

/// What a source contains, up to the bounds.
async fn look(inspection: &dyn Inspect, deadline: Deadline) -> Result<CatalogContent> {
    let mut content = CatalogContent { is_complete: true, schemas: Vec::new() };
    let (mut count, mut bytes) = (0, 0);
    for schema in inspection.schemas(deadline).await? {
        let Some(tables) = unless_gone(inspection.tables(&schema.name, deadline).await)? else { continue };
        let mut kept = SchemaContent { schema, tables: Vec::new() };
        for table in tables {
            let Some(mut detail) = unless_gone(inspection.table(&kept.schema.name, &table.name, deadline).await)?
            else {
                continue;
            };
            // It changes though nothing was changed.
            detail.table.row_estimate = None;
            count += 1;
            bytes += serde_json::to_vec(&detail).map_err(Error::internal)?.len();
            if count > SOURCE_TABLES || bytes > SOURCE_BYTES {
                content.is_complete = false;
                break;
            }
            kept.tables.push(detail);
        }
        content.schemas.push(kept);
        if !content.is_complete {
            break;
        }
    }
    Ok(content)
}

/// What was found, unless it was dropped since it was listed.
fn unless_gone<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        found => found.map(Some),
    }
}
