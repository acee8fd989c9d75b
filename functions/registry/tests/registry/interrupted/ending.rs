//! Stores and a vault of a process that ends at one of its writes.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use secrecy::SecretString;
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    id::TenantId,
    idempotency::IdempotentRequest,
    ports::{Entity, Filter, Page, Reference, Repository, Vault},
    source::SecretRef,
};
use tokio::sync::Notify;
use uuid::Uuid;

/// What happens at a write, counted from 1 over the stores of a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The process ends before it.
    Before(usize),
    /// The process ends after it, before anything hears of it.
    After(usize),
    /// It is made, and its answer is lost.
    Unanswered(usize),
    /// Nothing.
    Never,
}

/// A process: how it ends, and what it wrote until then.
pub(super) struct Process {
    end: End,
    writes: AtomicUsize,
    ended: Notify,
}

impl Process {
    pub(super) fn new(end: End) -> Arc<Self> {
        Arc::new(Self { end, writes: AtomicUsize::new(0), ended: Notify::new() })
    }

    /// How many writes it began.
    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// Waits until it has ended. What it was doing goes no further, and is to be dropped.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    async fn write<A>(&self, write: impl Future<Output = Result<A>>) -> Result<A> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(self.end, End::Before(end) if end == number) {
            self.die().await;
        }
        let written = write.await;
        match self.end {
            End::After(end) if end == number => self.die().await,
            End::Unanswered(end) if end == number => return Err(Error::new(ErrorCode::Unavailable, "no answer")),
            _ => {}
        }
        written
    }

    async fn die(&self) {
        self.ended.notify_one();
        pending().await
    }
}

/// A vault of a process that ends.
pub(super) struct EndingVault {
    pub(super) inner: Arc<dyn Vault>,
    pub(super) process: Arc<Process>,
}

#[async_trait]
impl Vault for EndingVault {
    async fn put(&self, reference: &SecretRef, secret: &SecretString) -> Result<()> {
        self.process.write(self.inner.put(reference, secret)).await
    }
    async fn get(&self, reference: &SecretRef) -> Result<SecretString> {
        self.inner.get(reference).await
    }
    async fn delete(&self, reference: &SecretRef) -> Result<()> {
        self.process.write(self.inner.delete(reference)).await
    }
    async fn list(&self, tenant: TenantId) -> Result<Vec<SecretRef>> {
        self.inner.list(tenant).await
    }
}

/// A store of a process that ends.
pub(super) struct EndingRepository<T: Entity> {
    pub(super) inner: Arc<dyn Repository<T>>,
    pub(super) process: Arc<Process>,
    /// What is found by its name, when another request changes it between looking and writing. What others made is not noted
    /// then either.
    pub(super) seen: Option<Arc<T>>,
}

#[async_trait]
impl<T: Entity> Repository<T> for EndingRepository<T> {
    fn fresh(self: Arc<Self>) -> Arc<dyn Repository<T>> {
        self
    }
    async fn create(&self, entity: &T) -> Result<()> {
        self.process.write(self.inner.create(entity)).await
    }
    async fn create_once(&self, entity: &T, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.process.write(self.inner.create_once(entity, request)).await
    }
    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        match &self.seen {
            Some(_) => Ok(None),
            None => self.inner.stored_by(tenant, request).await,
        }
    }
    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<T>>> {
        self.inner.get(tenant, id).await
    }
    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<T>>> {
        match &self.seen {
            Some(seen) if seen.name() == name => Ok(Some(Arc::clone(seen))),
            _ => self.inner.find(tenant, name).await,
        }
    }
    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<T>> {
        self.inner.list(tenant, filter, after, limit).await
    }
    async fn count(&self, tenant: TenantId, at_most: u16) -> Result<u16> {
        self.inner.count(tenant, at_most).await
    }
    async fn replace(&self, entity: &T) -> Result<()> {
        self.process.write(self.inner.replace(entity)).await
    }
    async fn delete(&self, entity: &T) -> Result<()> {
        self.process.write(self.inner.delete(entity)).await
    }
    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>> {
        self.inner.users(tenant, id).await
    }
}
