//! A short memory in front of a repository.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tidegate_core::{
    Name, Result,
    id::TenantId,
    idempotency::IdempotentRequest,
    memory::{Equivalent, Memory},
    ports::{Entity, Filter, Page, Reference, Repository},
};
use uuid::Uuid;

/// A repository that answers [`get`](Repository::get) and [`find`](Repository::find) from memory for a short time.
///
/// A write through it is seen at once by every read through it. A write of another process is seen when the memory
/// has run out, so this is for a process that alone writes, or for readers that may be a moment late. What does not
/// exist is never remembered, and lists always come from the store. [`fresh`](Repository::fresh) gives a repository over
/// the same memory that reads past it.
///
/// Make one for each process and kind, and share it.
pub struct Cached<T: Entity> {
    memory: Arc<Remembered<T>>,
    /// Whether reads look past what is remembered of entities.
    is_fresh: bool,
}

struct Remembered<T: Entity> {
    inner: Arc<dyn Repository<T>>,
    entities: Memory<(TenantId, Uuid), Arc<T>>,
    /// A name leads to one id for as long as what has it lives. So they stay, and each is looked at again with what it
    /// leads to.
    names: Memory<(TenantId, Name), Uuid>,
    /// Counts the writes, so that a read that began before one does not leave what it found behind.
    writes: AtomicU64,
}

impl<T: Entity> Cached<T> {
    /// Remembers at most `capacity` entities, each for `lifetime`, and as many names.
    pub fn new(inner: Arc<dyn Repository<T>>, capacity: u64, lifetime: Duration) -> Self {
        let memory = Remembered {
            inner,
            entities: Memory::of_entries(capacity).for_at_most(lifetime),
            names: Memory::of_entries(capacity),
            writes: AtomicU64::new(0),
        };
        Self { memory: Arc::new(memory), is_fresh: false }
    }
}

impl<T: Entity> Remembered<T> {
    /// Remembers what a read found, unless a write came between. The count is looked at after the insertion: a write
    /// that is counted later removes the entity itself.
    fn remember(&self, found: &Arc<T>, writes_before: u64) {
        let (tenant, id) = (found.tenant(), found.id());
        self.entities.insert((tenant, id), Arc::clone(found));
        if self.names.get(&ByName(tenant, found.name())) != Some(id) {
            self.names.insert((tenant, found.name().clone()), id);
        }
        if self.writes.fetch_add(0, Ordering::AcqRel) != writes_before {
            self.entities.remove(&(tenant, id));
        }
    }

    /// Says that an entity is about to be written.
    fn writing(&self, entity: &T) -> Writing<'_, T> {
        Writing { memory: self, key: (entity.tenant(), entity.id()) }
    }

    /// What the store holds under an id.
    async fn read(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<T>>> {
        let writes = self.writes.load(Ordering::Acquire);
        let found = self.inner.get(tenant, id).await?;
        match &found {
            Some(entity) => self.remember(entity, writes),
            None => self.entities.remove(&(tenant, id)),
        }
        Ok(found)
    }
}

/// Forgets an entity when a write of it ends, however it ends: after an error, or when the caller stopped waiting,
/// it may be written or not.
struct Writing<'a, T: Entity> {
    memory: &'a Remembered<T>,
    key: (TenantId, Uuid),
}

impl<T: Entity> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        self.memory.writes.fetch_add(1, Ordering::AcqRel);
        self.memory.entities.remove(&self.key);
    }
}

/// The key of a name, to look it up without a copy of it.
#[derive(Hash)]
struct ByName<'a>(TenantId, &'a Name);

impl Equivalent<(TenantId, Name)> for ByName<'_> {
    fn equivalent(&self, (tenant, name): &(TenantId, Name)) -> bool {
        self.0 == *tenant && self.1 == name
    }
}

#[async_trait]
impl<T: Entity> Repository<T> for Cached<T> {
    fn fresh(self: Arc<Self>) -> Arc<dyn Repository<T>> {
        Arc::new(Self { memory: Arc::clone(&self.memory), is_fresh: true })
    }

    async fn create(&self, entity: &T) -> Result<()> {
        let _writing = self.memory.writing(entity);
        self.memory.inner.create(entity).await
    }

    async fn create_once(&self, entity: &T, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        let _writing = self.memory.writing(entity);
        self.memory.inner.create_once(entity, request).await
    }

    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.memory.inner.stored_by(tenant, request).await
    }

    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<T>>> {
        match self.memory.entities.get(&(tenant, id)) {
            Some(entity) if !self.is_fresh => Ok(Some(entity)),
            _ => self.memory.read(tenant, id).await,
        }
    }

    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<T>>> {
        let memory = &*self.memory;
        if let Some(id) = memory.names.get(&ByName(tenant, name)) {
            match self.get(tenant, id).await? {
                Some(entity) if entity.name() == name => return Ok(Some(entity)),
                _ => memory.names.remove(&ByName(tenant, name)),
            }
        }
        let writes = memory.writes.load(Ordering::Acquire);
        let found = memory.inner.find(tenant, name).await?;
        if let Some(entity) = &found {
            memory.remember(entity, writes);
        }
        Ok(found)
    }

    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<T>> {
        self.memory.inner.list(tenant, filter, after, limit).await
    }

    async fn count(&self, tenant: TenantId, at_most: u16) -> Result<u16> {
        self.memory.inner.count(tenant, at_most).await
    }

    async fn replace(&self, entity: &T) -> Result<()> {
        let _writing = self.memory.writing(entity);
        self.memory.inner.replace(entity).await
    }

    async fn delete(&self, entity: &T) -> Result<()> {
        let _writing = self.memory.writing(entity);
        self.memory.inner.delete(entity).await
    }

    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>> {
        self.memory.inner.users(tenant, id).await
    }
}
