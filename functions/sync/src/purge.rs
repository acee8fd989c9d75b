//! Removing what nothing needs any more. What expires by itself is not here.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tidegate_core::{
    Error, ErrorCode, Result, api_key::ApiKey, deadline::Deadline, id::TenantId, ports::all, source::SecretRef,
    task::Task,
};
use tokio::time::timeout;

use crate::{Tasks, tasks::Counts, walk::Walk};

/// How long a tenant may take.
const STEP: Duration = Duration::from_secs(20);
/// How old a secret without a source is at least, in days. A younger one may be of a source that is being registered.
const SECRET_DAYS: i64 = 1;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Purged {
    dry_run: bool,
    keys: usize,
    secrets: usize,
    catalogs: usize,
    failed: usize,
    finished: bool,
}

impl Counts for Purged {
    fn failed(&self) -> usize {
        self.failed
    }
}

/// Removes, of every tenant: API keys that have long not worked, secrets that no source refers to, and snapshots of sources
/// that were deleted. A dry run counts them only, and does not move on the place where the next run begins.
pub(crate) async fn run(tasks: &Tasks, deadline: Deadline, dry_run: bool) -> Result<Purged> {
    let mut purged = Purged { dry_run, ..Purged::default() };
    // The place of a dry run is its own.
    let task = if dry_run { "purge_dry_run" } else { Task::Purge.as_str() };
    let mut walk = Walk::begin(tasks, task, deadline, STEP).await?;
    while let Some(tenant) = walk.tenant().await? {
        let late = Error::new(ErrorCode::Unavailable, "the tenant takes too long; the next run goes on with it");
        if let Err(error) = timeout(STEP, purge(tasks, tenant, &mut purged)).await.unwrap_or(Err(late)) {
            purged.failed += 1;
            tracing::error!(%tenant, ?error, "a tenant could not be purged");
        }
        walk.note().await?;
    }
    purged.finished = walk.end().await?.finished;
    let Purged { dry_run, keys, secrets, catalogs, failed, finished } = purged;
    tracing::info!(task = Task::Purge.as_str(), dry_run, keys, secrets, catalogs, failed, finished, "the task ended");
    Ok(purged)
}

async fn purge(tasks: &Tasks, tenant: TenantId, purged: &mut Purged) -> Result<()> {
    let now = tasks.clock.now();
    for key in all(&*tasks.keys, tenant).await? {
        if ended_at(&key, now).is_some_and(|ended| now - ended > TimeDelta::days(tasks.keep_keys_days.into())) {
            if !purged.dry_run {
                unless_gone(tasks.keys.delete(&key).await)?;
            }
            purged.keys += 1;
        }
    }

    // Before the sources, so that what a source refers to is known of every secret that is listed.
    let secrets = tasks.vault.list(tenant).await?;
    let catalogs = tasks.catalogs.sources(tenant).await?;
    let sources = all(&*tasks.sources, tenant).await?;
    let used: HashSet<&SecretRef> = sources.iter().filter_map(|source| source.secret.as_ref()).collect();
    let is_old = |secret: &SecretRef| secret.made_at().is_some_and(|at| now - at > TimeDelta::days(SECRET_DAYS));
    for secret in secrets.iter().filter(|secret| !used.contains(secret) && is_old(secret)) {
        if !purged.dry_run {
            tasks.vault.delete(secret).await?;
        }
        purged.secrets += 1;
    }
    for source in catalogs.into_iter().filter(|id| sources.iter().all(|source| source.id != *id)) {
        if !purged.dry_run {
            unless_gone(tasks.catalogs.forget(tenant, source).await)?;
        }
        purged.catalogs += 1;
    }
    Ok(())
}

/// When an API key stopped working.
fn ended_at(key: &ApiKey, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    key.revoked_at.into_iter().chain(key.expires_at.filter(|expiry| *expiry <= now)).min()
}

/// Another run may remove the same at the same moment.
fn unless_gone(removed: Result<()>) -> Result<()> {
    removed.or_else(|error| match error.code() {
        ErrorCode::NotFound | ErrorCode::VersionConflict => Ok(()),
        _ => Err(error),
    })
}
