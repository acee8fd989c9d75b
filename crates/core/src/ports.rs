//! The ports: how the domain reaches storage, secrets, time, ids and randomness.

mod scheduled;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    Error, Name, Result,
    api_key::ApiKey,
    execution::{Execution, ExecutionFilter, ExecutionPage},
    id::{ExecutionId, QueryId, TenantId},
    idempotency::IdempotentRequest,
    name::MAX_NAME_LENGTH,
    query::Revision,
    source::SecretRef,
    tenant::Tenant,
};

pub use self::scheduled::{CatalogSnapshots, Place, Progress, SourceHealths};

/// What is stored under a name in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// A source.
    Source,
    /// A query.
    Query,
    /// A server.
    Server,
    /// An API key.
    ApiKey,
}

impl EntityKind {
    /// The word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Query => "query",
            Self::Server => "server",
            Self::ApiKey => "API key",
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one entity needs to exist. While it is referred to, an entity cannot be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The kind of what is needed.
    pub kind: EntityKind,
    /// Its id.
    pub id: Uuid,
}

/// Something stored in a tenant under an id and a unique name, with a version. A name never changes.
pub trait Entity: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is.
    const KIND: EntityKind;
    /// Its owner.
    fn tenant(&self) -> TenantId;
    /// Its id.
    fn id(&self) -> Uuid;
    /// Its name.
    fn name(&self) -> &Name;
    /// Its version, from 1.
    fn version(&self) -> u64;
    /// Its tags.
    fn tags(&self) -> &[String];
    /// What lists can be filtered by beside tags: the kind of a source, the mode of a query, the role of a key.
    fn label(&self) -> Option<&str>;
    /// What it needs to exist.
    fn references(&self) -> Vec<Reference>;
    /// The revisions that are part of it. Each is also stored for itself, with it, and stays when a later one takes its
    /// place.
    fn held_revisions(&self) -> Vec<&Revision> {
        Vec::new()
    }
    /// The numbers of the revisions that stay stored; those of the ones it holds are among them.
    fn kept_revisions(&self) -> BTreeSet<u64> {
        BTreeSet::new()
    }
}

/// Which entities a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those with this label.
    pub label: Option<String>,
}

/// The most entities of one page of a list.
pub const MAX_PAGE: usize = 100;

/// The most entities that are counted: the names of so many fit one answer of the store.
pub const MAX_COUNT: u16 = 5_000;

/// One page of a list, in the order of ids, which is the order of making.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The entities.
    pub items: Vec<Arc<T>>,
    /// Where the next page begins; none at the end.
    pub next: Option<Uuid>,
}

/// Storage of one kind of entity. Reads see every write that was acknowledged before; where a memory is in front of the
/// store, those of other processes a moment later.
#[async_trait]
pub trait Repository<T: Entity>: Send + Sync {
    /// The same storage without a memory in front of its reads, for who must not be a moment late. What is read and
    /// written through it is seen at once by who shares the memory.
    fn fresh(self: Arc<Self>) -> Arc<dyn Repository<T>>;

    /// Stores a new entity. `AlreadyExists` when the name is taken, `NotFound` when something it refers to is gone.
    async fn create(&self, entity: &T) -> Result<()>;

    /// Stores a new entity as [`create`](Self::create) does, unless this request stored one before: then nothing is
    /// stored, and that one's id is given. However often a request comes, and at how many places at once, it stores
    /// one entity. `IdempotencyKeyReused` when its key came with another request.
    async fn create_once(&self, entity: &T, request: &IdempotentRequest) -> Result<Option<Uuid>>;

    /// The id of what this request stored when it came before. `IdempotencyKeyReused` when its key came with another.
    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>>;

    /// The entity with this id in this tenant.
    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<T>>>;

    /// The entity with this name in this tenant.
    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<T>>>;

    /// A page of at most `limit` (1 to [`MAX_PAGE`]) entities after the id `after`.
    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<T>>;

    /// How many entities there are, counted up to `at_most` (1 to [`MAX_COUNT`]) in one step.
    async fn count(&self, tenant: TenantId, at_most: u16) -> Result<u16>;

    /// Stores the next version of an entity, whose `version` is one more than the stored one.
    /// `VersionConflict` when it is not, `NotFound` when it or something it refers to is gone.
    async fn replace(&self, entity: &T) -> Result<()>;

    /// Deletes an entity at this version. `VersionConflict` when it has another, `InUse` when something refers to it.
    async fn delete(&self, entity: &T) -> Result<()>;

    /// What refers to this entity.
    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>>;
}

/// The revisions of queries, which are written with their query.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// The revision with this number.
    async fn by_number(&self, tenant: TenantId, query: QueryId, number: u64) -> Result<Option<Revision>>;

    /// At most `limit` revisions with numbers below `before`, newest first.
    async fn newest(
        &self,
        tenant: TenantId,
        query: QueryId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Revision>>;
}

/// The entity with this name or id. `NotFound` when there is none.
pub async fn find<T: Entity>(repository: &dyn Repository<T>, tenant: TenantId, which: &str) -> Result<Arc<T>> {
    let found = match (Uuid::parse_str(which), which.parse::<Name>()) {
        (Ok(id), _) => repository.get(tenant, id).await?,
        (Err(_), Ok(name)) => repository.find(tenant, &name).await?,
        (Err(_), Err(_)) => None,
    };
    found.ok_or_else(|| Error::not_found(T::KIND.as_str(), which.chars().take(MAX_NAME_LENGTH).collect::<String>()))
}

/// Every entity of a tenant.
pub async fn all<T: Entity>(repository: &dyn Repository<T>, tenant: TenantId) -> Result<Vec<Arc<T>>> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = repository.list(tenant, &Filter::default(), after, MAX_PAGE).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(items),
        }
    }
}

/// Storage of tenants.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Stores a new tenant with its first API key, both or neither. `AlreadyExists` when the name is taken.
    async fn create(&self, tenant: &Tenant, first_key: &ApiKey) -> Result<()>;

    /// The tenant with this name.
    async fn find(&self, name: &Name) -> Result<Option<Tenant>>;

    /// A page of at most `limit` (1 to [`MAX_PAGE`]) tenants of the deployment after the id `after`.
    async fn page(&self, after: Option<Uuid>, limit: usize) -> Result<Page<Tenant>>;

    /// Closes a tenant, and takes its API keys away: who does not remember them lets nobody in any more. It can be
    /// repeated. `NotFound` when there is no such tenant.
    async fn close(&self, tenant: &Tenant, at: DateTime<Utc>) -> Result<()>;

    /// Removes everything that is stored of a closed tenant, lastly itself, and gives back how many items that were. One
    /// that was broken off can be repeated, and does nothing when it was at its end. `InUse` when the tenant is not closed.
    async fn remove(&self, tenant: &Tenant) -> Result<u64>;
}

/// The history of executions.
#[async_trait]
pub trait Executions: Send + Sync {
    /// Records an execution.
    async fn record(&self, execution: Execution) -> Result<()>;

    /// A page of at most `limit` executions of a tenant, newest first. `after` is the `next` of the page before.
    ///
    /// The work of one page is bounded: one that finds little may end early, with a `next`. Executions that several
    /// processes record in the same moment may be out of order between pages; none is left out or comes twice.
    /// `InvalidCursor` when `after` is not what a page gave.
    async fn page(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ExecutionPage>;

    /// The execution with this id in this tenant.
    async fn by_id(&self, tenant: TenantId, id: ExecutionId) -> Result<Option<Execution>>;
}

/// Whether a part can do its work, for the readiness answer.
#[async_trait]
pub trait Health: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Fails with `Unavailable` when it cannot.
    async fn check(&self) -> Result<()>;
}

/// Where secrets live, and nowhere else.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Keeps a secret under a new reference.
    async fn put(&self, reference: &SecretRef, secret: &SecretString) -> Result<()>;

    /// The secret. `NotFound` when there is none.
    async fn get(&self, reference: &SecretRef) -> Result<SecretString>;

    /// Forgets a secret; nothing happens when there is none.
    async fn delete(&self, reference: &SecretRef) -> Result<()>;

    /// The references of all secrets of a tenant. One that was kept or forgotten a moment ago may be missing or not.
    async fn list(&self, tenant: TenantId) -> Result<Vec<SecretRef>>;
}

/// Time.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> DateTime<Utc>;

    /// The monotonic clock.
    fn instant(&self) -> Instant;
}

/// Ids and randomness.
pub trait Ids: Send + Sync {
    /// A new UUIDv7.
    fn uuid(&self) -> Uuid;

    /// Fills a buffer with bytes from a cryptographic source.
    fn random(&self, buffer: &mut [u8]) -> Result<()>;
}
