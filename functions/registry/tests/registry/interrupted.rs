//! A process that ends between any two writes of a request leaves a registry that holds together: every source has the
//! credentials it names. Credentials without a source may be left; the other way round may not.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    http::{Method, StatusCode},
};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    id::TenantId,
    idempotency::IdempotentRequest,
    ports::{self, Entity, Filter, Page, Reference, Repository, Vault},
    source::{SecretRef, Source},
};
use uuid::Uuid;

use crate::fixtures::{Call, Registry, query, router, source};

/// What happens at a write, counted from 1 over the stores of a registry.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The process ends before it.
    Before(usize),
    /// The process ends after it, before anything hears of it.
    After(usize),
    /// It is made, and its answer is lost.
    Unanswered(usize),
    /// Nothing.
    Never,
}

/// A store or a vault whose process may end at one of its writes.
struct Ending<T: ?Sized> {
    inner: Arc<T>,
    end: End,
    writes: Arc<AtomicUsize>,
}

impl<T: ?Sized> Ending<T> {
    async fn write<A>(&self, write: impl Future<Output = Result<A>>) -> Result<A> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(self.end, End::Before(end) if end == number) {
            future::pending::<()>().await;
        }
        let written = write.await;
        match self.end {
            End::After(end) if end == number => future::pending().await,
            End::Unanswered(end) if end == number => Err(Error::new(ErrorCode::Unavailable, "no answer")),
            _ => written,
        }
    }
}

#[async_trait]
impl Vault for Ending<dyn Vault> {
    async fn put(&self, reference: &SecretRef, secret: &SecretString) -> Result<()> {
        self.write(self.inner.put(reference, secret)).await
    }
    async fn get(&self, reference: &SecretRef) -> Result<SecretString> {
        self.inner.get(reference).await
    }
    async fn delete(&self, reference: &SecretRef) -> Result<()> {
        self.write(self.inner.delete(reference)).await
    }
    async fn list(&self, tenant: TenantId) -> Result<Vec<SecretRef>> {
        self.inner.list(tenant).await
    }
}

#[async_trait]
impl<T: Entity> Repository<T> for Ending<dyn Repository<T>> {
    fn fresh(self: Arc<Self>) -> Arc<dyn Repository<T>> {
        self
    }
    async fn create(&self, entity: &T) -> Result<()> {
        self.write(self.inner.create(entity)).await
    }
    async fn create_once(&self, entity: &T, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.write(self.inner.create_once(entity, request)).await
    }
    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.inner.stored_by(tenant, request).await
    }
    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<T>>> {
        self.inner.get(tenant, id).await
    }
    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<T>>> {
        self.inner.find(tenant, name).await
    }
    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<T>> {
        self.inner.list(tenant, filter, after, limit).await
    }
    async fn count(&self, tenant: TenantId, at_most: u16) -> Result<u16> {
        self.inner.count(tenant, at_most).await
    }
    async fn replace(&self, entity: &T) -> Result<()> {
        self.write(self.inner.replace(entity)).await
    }
    async fn delete(&self, entity: &T) -> Result<()> {
        self.write(self.inner.delete(entity)).await
    }
    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>> {
        self.inner.users(tenant, id).await
    }
}

impl Registry {
    /// The routes in a process that ends so. It begins with memories of nothing.
    fn ending(&self, end: End) -> (Router, Arc<AtomicUsize>) {
        let mut state = self.state(0);
        let writes = Arc::new(AtomicUsize::new(0));
        state.sources = ending(state.sources, end, &writes);
        state.queries = ending(state.queries, end, &writes);
        state.servers = ending(state.servers, end, &writes);
        state.vault = Arc::new(Ending { inner: state.vault, end, writes: Arc::clone(&writes) });
        (router(state), writes)
    }

    /// Sends a request to a process that ends so, and waits for the answer or the end. Gives the number of writes.
    async fn call(&self, end: End, call: &Call) -> (Option<StatusCode>, usize) {
        let (router, writes) = self.ending(end);
        let answered = tokio::time::timeout(Duration::from_secs(1), self.send(router, call)).await;
        (answered.ok().map(|(status, _)| status), writes.load(Ordering::Relaxed))
    }

    /// Every source has the credentials it names, every name leads somewhere, and every use is noted on both sides.
    async fn expect_whole(&self, end: End) {
        let (mut needed, mut noted) = (Vec::new(), Vec::new());
        for source in self.look_at::<Source>(&mut needed, &mut noted).await {
            if let Some(secret) = &source.secret {
                self.local.vault.get(secret).await.unwrap_or_else(|error| panic!("{end:?}: {error:?}"));
            }
        }
        self.look_at::<tidegate_core::query::Query>(&mut needed, &mut noted).await;
        self.look_at::<tidegate_core::server::Server>(&mut needed, &mut noted).await;
        needed.sort();
        noted.sort();
        assert_eq!(noted, needed, "{end:?}");
    }

    async fn look_at<T: Entity>(
        &self,
        needed: &mut Vec<(Reference, Reference)>,
        noted: &mut Vec<(Reference, Reference)>,
    ) -> Vec<Arc<T>> {
        let repository: &dyn Repository<T> = &self.local.store;
        let entities = ports::all(repository, self.tenant).await.unwrap();
        for entity in &entities {
            let itself = Reference { kind: T::KIND, id: entity.id() };
            assert!(repository.find(self.tenant, entity.name()).await.unwrap().is_some());
            needed.extend(entity.references().into_iter().map(|target| (target, itself)));
            let users = repository.users(self.tenant, itself.id).await.unwrap();
            noted.extend(users.into_iter().map(|user| (itself, user)));
        }
        entities
    }
}

fn ending<T: Entity>(inner: Arc<dyn Repository<T>>, end: End, writes: &Arc<AtomicUsize>) -> Arc<dyn Repository<T>> {
    Arc::new(Ending { inner, end, writes: Arc::clone(writes) })
}

/// Calls that write more than once, in an order in which each can be made.
fn calls() -> Vec<Call> {
    vec![
        Call::new(Method::POST, "/v1/sources", 0, source("127.0.0.1", "one")),
        Call::new(Method::PUT, "/v1/sources/shop", 1, source("127.0.0.1", "two")),
        Call::new(Method::POST, "/v1/queries", 0, query("SELECT 1 AS one")),
        Call::new(Method::POST, "/v1/servers", 0, json!({"name": "desk", "queries": ["late"]})),
        Call::new(Method::DELETE, "/v1/sources/shop?cascade=true", 2, Json::Null),
    ]
}

#[tokio::test]
async fn a_process_that_ends_between_two_writes_leaves_nothing_broken() {
    // How many writes each call makes when nothing ends.
    let whole = Registry::start().await;
    let mut counts = Vec::new();
    for call in calls() {
        let (status, writes) = whole.call(End::Never, &call).await;
        assert!(status.unwrap().is_success(), "{} {}: {status:?}", call.method, call.path);
        counts.push(writes);
    }
    assert_eq!(counts, [2, 3, 1, 1, 4], "{counts:?}");

    for (index, count) in counts.iter().enumerate() {
        for write in 1..=*count {
            for end in [End::Before(write), End::After(write), End::Unanswered(write)] {
                let registry = Registry::start().await;
                for call in calls().iter().take(index) {
                    assert!(registry.call(End::Never, call).await.0.unwrap().is_success());
                }
                let call = &calls()[index];
                registry.call(end, call).await;
                registry.expect_whole(end).await;
                if call.method == Method::POST {
                    // The caller tries again, and gets what it wants.
                    let (status, _) = registry.call(End::Never, call).await;
                    assert_eq!(status, Some(StatusCode::CREATED), "{end:?} {}", call.path);
                    registry.expect_whole(end).await;
                }
            }
        }
    }
}
