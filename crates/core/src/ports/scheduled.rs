//! What the tasks of `sync` leave for others, and for themselves.

use std::{collections::BTreeMap, ops::RangeInclusive};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    health::SourceHealth,
    id::{SourceId, TenantId},
    snapshot::{CatalogContent, CatalogSnapshot},
};

/// What the last checks of sources found. It is forgotten a week after.
#[async_trait]
pub trait SourceHealths: Send + Sync {
    /// Keeps what a check found, in place of what the one before did.
    async fn record(&self, tenant: TenantId, source: SourceId, health: &SourceHealth) -> Result<()>;

    /// What is known of the sources with ids in this range.
    async fn of_sources(
        &self,
        tenant: TenantId,
        sources: RangeInclusive<SourceId>,
    ) -> Result<BTreeMap<SourceId, SourceHealth>>;
}

/// The last snapshot of the catalog of each source.
#[async_trait]
pub trait CatalogSnapshots: Send + Sync {
    /// Keeps what a source contains, whole or not at all. Content that is kept already is not written again; only the
    /// time is. Gives back whether it was written. `VersionConflict` when another process kept something meanwhile,
    /// `LimitExceeded` when it is too large.
    async fn keep(
        &self,
        tenant: TenantId,
        source: SourceId,
        content: &CatalogContent,
        taken_at: DateTime<Utc>,
    ) -> Result<bool>;

    /// The last snapshot of a source.
    async fn last(&self, tenant: TenantId, source: SourceId) -> Result<Option<CatalogSnapshot>>;

    /// The sources of a tenant that there are snapshots of, those that were deleted since included.
    async fn sources(&self, tenant: TenantId) -> Result<Vec<SourceId>>;

    /// Forgets the snapshot of a source; nothing happens when there is none.
    async fn forget(&self, tenant: TenantId, source: SourceId) -> Result<()>;
}

/// How far a task went through the tenants and their sources, in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The tenant it reached.
    pub tenant: TenantId,
    /// The last source of it that was done; none when all of the tenant was.
    pub source: Option<SourceId>,
}

/// Where tasks go on, after a run that did not come to the end.
#[async_trait]
pub trait Progress: Send + Sync {
    /// Where a task goes on; none when it begins at the beginning.
    async fn place(&self, task: &str) -> Result<Option<Place>>;

    /// Notes where a task goes on. None is noted at the end, so that the next run begins at the beginning.
    async fn note(&self, task: &str, place: Option<Place>) -> Result<()>;
}
