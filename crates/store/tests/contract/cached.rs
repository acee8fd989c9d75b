//! The memory in front of a repository.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tidegate_core::{
    Name, Result,
    id::TenantId,
    idempotency::IdempotentRequest,
    ports::{Entity, Filter, Page, Reference, Repository},
    source::Source,
};
use tidegate_store::{Cached, DynamoStore};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::fixtures::{TestStore, source, tenant};

/// Counts the reads that reach the store, and holds each back between the store and its caller without a permit.
struct Counting {
    inner: DynamoStore,
    reads: AtomicUsize,
    /// Those of them that look for a name first, which is a request more.
    finds: AtomicUsize,
    permits: Semaphore,
}

impl Counting {
    async fn read(&self) -> SemaphorePermit<'_> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.permits.acquire().await.unwrap()
    }
}

#[async_trait]
impl Repository<Source> for Counting {
    fn fresh(self: Arc<Self>) -> Arc<dyn Repository<Source>> {
        self
    }
    async fn create(&self, entity: &Source) -> Result<()> {
        self.inner.create(entity).await
    }
    async fn create_once(&self, entity: &Source, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.inner.create_once(entity, request).await
    }
    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        Repository::<Source>::stored_by(&self.inner, tenant, request).await
    }
    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<Source>>> {
        let found = self.inner.get(tenant, id).await;
        let _permit = self.read().await;
        found
    }
    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<Source>>> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        let found = self.inner.find(tenant, name).await;
        let _permit = self.read().await;
        found
    }
    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<Source>> {
        self.inner.list(tenant, filter, after, limit).await
    }
    async fn count(&self, tenant: TenantId, at_most: u16) -> Result<u16> {
        Repository::<Source>::count(&self.inner, tenant, at_most).await
    }
    async fn replace(&self, entity: &Source) -> Result<()> {
        self.inner.replace(entity).await
    }
    async fn delete(&self, entity: &Source) -> Result<()> {
        self.inner.delete(entity).await
    }
    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>> {
        Repository::<Source>::users(&self.inner, tenant, id).await
    }
}

struct Setup {
    test: TestStore,
    counting: Arc<Counting>,
    cached: Arc<dyn Repository<Source>>,
    tenant: TenantId,
}

impl Setup {
    async fn new(lifetime: Duration) -> Self {
        let test = TestStore::open().await;
        let counting = Arc::new(Counting {
            inner: test.store.clone(),
            reads: AtomicUsize::new(0),
            finds: AtomicUsize::new(0),
            permits: Semaphore::new(1),
        });
        let cached = Arc::new(Cached::new(Arc::<Counting>::clone(&counting), 100, lifetime));
        Self { test, counting, cached, tenant: tenant() }
    }

    fn reads(&self) -> usize {
        self.counting.reads.load(Ordering::Relaxed)
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_second_read_does_not_reach_the_store() {
    let setup = Setup::new(LONG).await;
    let source = source(setup.tenant, "flights");
    setup.test.store.create(&source).await.unwrap();
    for _ in 0..3 {
        assert_eq!(*setup.cached.find(setup.tenant, &source.name).await.unwrap().unwrap(), source);
        assert_eq!(*setup.cached.get(setup.tenant, source.id()).await.unwrap().unwrap(), source);
    }
    assert_eq!(setup.reads(), 1, "a find remembers the id too, and a get the name");
}

#[tokio::test]
async fn a_name_is_remembered_for_longer_than_what_it_leads_to() {
    let setup = Setup::new(Duration::ZERO).await;
    let (first, second) = (source(setup.tenant, "flights"), source(setup.tenant, "flights"));
    let requests = || (setup.counting.finds.load(Ordering::Relaxed), setup.reads());
    setup.test.store.create(&first).await.unwrap();
    for repository in [Arc::clone(&setup.cached), Arc::clone(&setup.cached).fresh()] {
        assert_eq!(*repository.find(setup.tenant, &first.name).await.unwrap().unwrap(), first);
    }
    assert_eq!(requests(), (1, 2));

    // The name of what was deleted leads to what was made under it since.
    setup.test.store.delete(&first).await.unwrap();
    setup.test.store.create(&second).await.unwrap();
    assert_eq!(*setup.cached.find(setup.tenant, &first.name).await.unwrap().unwrap(), second);
    assert_eq!(requests(), (2, 4));
    setup.test.store.delete(&second).await.unwrap();
    for _ in 0..2 {
        assert!(setup.cached.find(setup.tenant, &first.name).await.unwrap().is_none());
    }
    assert_eq!(requests(), (4, 7), "a name that leads nowhere is forgotten");
}

#[tokio::test]
async fn what_is_written_through_it_is_seen_at_once() {
    let setup = Setup::new(LONG).await;
    let first = source(setup.tenant, "flights");
    assert!(setup.cached.find(setup.tenant, &first.name).await.unwrap().is_none());
    setup.cached.create(&first).await.unwrap();
    assert_eq!(*setup.cached.find(setup.tenant, &first.name).await.unwrap().unwrap(), first);
    let second = Source { version: 2, ..first.clone() };
    setup.cached.replace(&second).await.unwrap();
    assert_eq!(*setup.cached.find(setup.tenant, &first.name).await.unwrap().unwrap(), second);
    assert_eq!(*setup.cached.get(setup.tenant, first.id()).await.unwrap().unwrap(), second);
    setup.cached.delete(&second).await.unwrap();
    assert!(setup.cached.get(setup.tenant, first.id()).await.unwrap().is_none());
    assert!(setup.cached.find(setup.tenant, &first.name).await.unwrap().is_none());
}

#[tokio::test]
async fn another_tenant_does_not_see_what_is_remembered() {
    let setup = Setup::new(LONG).await;
    let source = source(setup.tenant, "flights");
    setup.cached.create(&source).await.unwrap();
    setup.cached.find(setup.tenant, &source.name).await.unwrap().unwrap();
    assert!(setup.cached.find(tenant(), &source.name).await.unwrap().is_none());
    assert!(setup.cached.get(tenant(), source.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_write_of_another_process_is_seen_when_the_memory_has_run_out() {
    let setup = Setup::new(Duration::from_millis(50)).await;
    let first = source(setup.tenant, "flights");
    setup.cached.create(&first).await.unwrap();
    setup.cached.get(setup.tenant, first.id()).await.unwrap();
    setup.test.store.replace(&Source { version: 2, ..first.clone() }).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while setup.cached.get(setup.tenant, first.id()).await.unwrap().unwrap().version == 1 {
        assert!(tokio::time::Instant::now() < deadline, "the old version is still remembered");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_fresh_read_sees_what_another_process_wrote_and_so_does_every_read_after_it() {
    let setup = Setup::new(LONG).await;
    let other: Arc<dyn Repository<Source>> = Arc::new(Cached::new(Arc::new(setup.test.store.clone()), 100, LONG));
    let fresh = Arc::clone(&setup.cached).fresh();
    let first = source(setup.tenant, "flights");
    setup.cached.create(&first).await.unwrap();
    setup.cached.find(setup.tenant, &first.name).await.unwrap();
    other.replace(&Source { version: 2, ..first.clone() }).await.unwrap();
    assert_eq!(setup.cached.find(setup.tenant, &first.name).await.unwrap().unwrap().version, 1);
    assert_eq!(fresh.find(setup.tenant, &first.name).await.unwrap().unwrap().version, 2);
    assert_eq!(setup.cached.get(setup.tenant, first.id()).await.unwrap().unwrap().version, 2);
    other.replace(&Source { version: 3, ..first.clone() }).await.unwrap();
    assert_eq!(fresh.get(setup.tenant, first.id()).await.unwrap().unwrap().version, 3);
    assert_eq!(setup.cached.find(setup.tenant, &first.name).await.unwrap().unwrap().version, 3);
    // What is written through it is seen at once, too.
    let fourth = Source { version: 4, ..first.clone() };
    fresh.replace(&fourth).await.unwrap();
    assert_eq!(setup.cached.find(setup.tenant, &first.name).await.unwrap().unwrap().version, 4);
    other.delete(&fourth).await.unwrap();
    assert!(fresh.get(setup.tenant, first.id()).await.unwrap().is_none());
    assert!(setup.cached.get(setup.tenant, first.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_read_that_a_write_overtakes_leaves_nothing_behind() {
    let setup = Setup::new(LONG).await;
    let first = source(setup.tenant, "flights");
    setup.cached.create(&first).await.unwrap();
    let hold = setup.counting.permits.acquire().await.unwrap();
    let (cached, tenant, id) = (Arc::clone(&setup.cached), setup.tenant, first.id());
    let read = tokio::spawn(async move { cached.get(tenant, id).await.unwrap().unwrap().version });
    while setup.reads() == 0 {
        tokio::task::yield_now().await;
    }
    setup.cached.replace(&Source { version: 2, ..first.clone() }).await.unwrap();
    drop(hold);
    assert_eq!(read.await.unwrap(), 1, "the read began before the write");
    assert_eq!(setup.cached.get(setup.tenant, first.id()).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_not_hidden() {
    let setup = Setup::new(LONG).await;
    let first = source(setup.tenant, "flights");
    setup.cached.create(&first).await.unwrap();
    setup.cached.get(setup.tenant, first.id()).await.unwrap();
    setup.test.store.replace(&Source { version: 2, ..first.clone() }).await.unwrap();
    // Polled once and dropped: what became of the write is not known.
    let write = Source { version: 3, ..first.clone() };
    let mut replace = setup.cached.replace(&write);
    poll_once(&mut replace).await;
    drop(replace);
    assert!(setup.cached.get(setup.tenant, first.id()).await.unwrap().unwrap().version >= 2);
}

/// Polls a future once. It may end in that poll, when the database's thread is quick.
async fn poll_once(future: &mut (impl Future + Unpin)) {
    std::future::poll_fn(|context| {
        let _ = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(())
    })
    .await;
}
