//! A short memory in front of a repository.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use moka::sync::Cache;
use tidegate_core::{
    Name, Result,
    id::TenantId,
    idempotency::IdempotentRequest,
    ports::{Entity, Filter, Page, Reference, Repository},
};
use uuid::Uuid;

/// A repository that answers [`get`](Repository::get) and [`find`](Repository::find) from memory for a short time.
///
/// A write through it is seen at once by every read through it. A write of another process is seen when the memory
/// has run out, so this is for a process that alone writes, or for readers that may be a moment late. What does not
/// exist is never remembered, and lists always come from the store.
///
/// Make one for each process and kind, and share it.
pub struct Cached<T: Entity> {
    inner: Arc<dyn Repository<T>>,
    entities: Cache<(TenantId, Uuid), Arc<T>>,
    names: Cache<(TenantId, Name), Uuid>,
    /// Counts the writes, so that a read that began before one does not leave what it found behind.
    writes: AtomicU64,
}

impl<T: Entity> Cached<T> {
    /// Remembers at most `capacity` entities, each for `lifetime`.
    pub fn new(inner: Arc<dyn Repository<T>>, capacity: u64, lifetime: Duration) -> Self {
        Self {
            inner,
            entities: Cache::builder().max_capacity(capacity).time_to_live(lifetime).build(),
            names: Cache::builder().max_capacity(capacity).time_to_live(lifetime).build(),
            writes: AtomicU64::new(0),
        }
    }

    /// Remembers what a read found, unless a write came between. The count is looked at after the insertion: a write
    /// that is counted later removes the entity itself.
    fn remember(&self, found: &Arc<T>, writes_before: u64) {
        let (by_id, by_name) = keys(&**found);
        self.entities.insert(by_id, Arc::clone(found));
        self.names.insert(by_name, by_id.1);
        if self.writes.fetch_add(0, Ordering::AcqRel) != writes_before {
            self.forget(found);
        }
    }

    fn forget(&self, entity: &T) {
        let (by_id, by_name) = keys(entity);
        self.entities.invalidate(&by_id);
        self.names.invalidate(&by_name);
    }
}

/// Forgets an entity when a write of it ends, however it ends: after an error, or when the caller stopped waiting,
/// it may be written or not.
struct Writing<'a, T: Entity> {
    cached: &'a Cached<T>,
    entity: &'a T,
}

impl<T: Entity> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        self.cached.writes.fetch_add(1, Ordering::AcqRel);
        self.cached.forget(self.entity);
    }
}

fn keys<T: Entity>(entity: &T) -> ((TenantId, Uuid), (TenantId, Name)) {
    ((entity.tenant(), entity.id()), (entity.tenant(), entity.name().clone()))
}

#[async_trait]
impl<T: Entity> Repository<T> for Cached<T> {
    async fn create(&self, entity: &T) -> Result<()> {
        let _writing = Writing { cached: self, entity };
        self.inner.create(entity).await
    }

    async fn create_once(&self, entity: &T, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        let _writing = Writing { cached: self, entity };
        self.inner.create_once(entity, request).await
    }

    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.inner.stored_by(tenant, request).await
    }

    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<T>>> {
        if let Some(entity) = self.entities.get(&(tenant, id)) {
            return Ok(Some(entity));
        }
        let writes = self.writes.load(Ordering::Acquire);
        let found = self.inner.get(tenant, id).await?;
        if let Some(entity) = &found {
            self.remember(entity, writes);
        }
        Ok(found)
    }

    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<T>>> {
        if let Some(id) = self.names.get(&(tenant, name.clone()))
            && let Some(entity) = self.entities.get(&(tenant, id))
        {
            return Ok(Some(entity));
        }
        let writes = self.writes.load(Ordering::Acquire);
        let found = self.inner.find(tenant, name).await?;
        if let Some(entity) = &found {
            self.remember(entity, writes);
        }
        Ok(found)
    }

    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<T>> {
        self.inner.list(tenant, filter, after, limit).await
    }

    async fn replace(&self, entity: &T) -> Result<()> {
        let _writing = Writing { cached: self, entity };
        self.inner.replace(entity).await
    }

    async fn delete(&self, entity: &T) -> Result<()> {
        let _writing = Writing { cached: self, entity };
        self.inner.delete(entity).await
    }

    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>> {
        self.inner.users(tenant, id).await
    }
}
