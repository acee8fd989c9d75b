//! A deployment on the embedded store, with sources that are made up and a clock that a test moves.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    api_key::ApiKey,
    budget::Limits,
    catalog::{Schema, Table, TableColumn, TableDetail, TableKind},
    cost::MaxEstimate,
    deadline::Deadline,
    id::{ApiKeyId, SourceId, TenantId},
    idempotency::IdempotentRequest,
    ports::{Clock, Filter, Page, Reference, Repository, Tenants, Vault},
    principal::{Role, Scope},
    rotation::RotationRules,
    source::{Connection, SecretRef, Source, SqliteFile},
    tenant::Tenant,
};
use tidegate_store::{DynamoStore, FileVault, LocalBackend};
use tidegate_sync::{
    Tasks,
    inspect::{Inspect, Inspector},
};
use uuid::{NoContext, Timestamp, Uuid};

pub(crate) fn days_ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

/// An API key that works.
pub(crate) fn key(tenant: TenantId, name: &str) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_uuid(Uuid::now_v7()),
        tenant,
        tenant_name: "acme".parse().unwrap(),
        name: name.parse().unwrap(),
        secret_hash: "0".repeat(64),
        role: Role::Runner,
        scope: Scope::default(),
        limits: Limits::default(),
        expires_at: None,
        revoked_at: None,
        version: 1,
        created_at: Utc::now(),
    }
}

pub(crate) fn table(schema: &str, name: &str) -> TableDetail {
    TableDetail {
        schema: schema.to_owned(),
        table: Table { name: name.to_owned(), kind: TableKind::Table, comment: None, row_estimate: None },
        columns: vec![TableColumn {
            name: "id".to_owned(),
            database_type: "bigint".to_owned(),
            nullable: false,
            default: None,
            comment: None,
        }],
        primary_key: vec!["id".to_owned()],
        foreign_keys: Vec::new(),
    }
}

/// Time as it is, and what a test adds.
#[derive(Default)]
pub(crate) struct TestClock(Mutex<Duration>);

impl TestClock {
    fn advance(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::from_std(*self.0.lock().unwrap()).unwrap()
    }

    fn instant(&self) -> Instant {
        Instant::now() + *self.0.lock().unwrap()
    }
}

/// What the made-up sources do. They all contain the same.
#[derive(Clone, Default)]
pub(crate) struct Looks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    failing: HashMap<String, ErrorCode>,
    hanging: HashSet<String>,
    content: Vec<(Schema, Vec<TableDetail>)>,
    pace: Option<(Duration, Arc<TestClock>)>,
    inspected: Vec<String>,
    tested: Vec<String>,
}

impl Looks {
    pub(crate) fn fail(&self, source: &str, code: ErrorCode) {
        self.0.lock().unwrap().failing.insert(source.to_owned(), code);
    }

    pub(crate) fn hang(&self, source: &str) {
        self.0.lock().unwrap().hanging.insert(source.to_owned());
    }

    pub(crate) fn mend(&self, source: &str) {
        let mut state = self.0.lock().unwrap();
        state.failing.remove(source);
        state.hanging.remove(source);
    }

    pub(crate) fn contain(&self, schema: &str, tables: Vec<TableDetail>) {
        self.0.lock().unwrap().content = vec![(Schema { name: schema.to_owned(), comment: None }, tables)];
    }

    /// Has each table take so long.
    pub(crate) fn take(&self, time: Duration, clock: &Arc<TestClock>) {
        self.0.lock().unwrap().pace = Some((time, Arc::clone(clock)));
    }

    pub(crate) fn inspected(&self) -> Vec<String> {
        self.0.lock().unwrap().inspected.clone()
    }

    pub(crate) fn tested(&self) -> Vec<String> {
        self.0.lock().unwrap().tested.clone()
    }
}

#[async_trait]
impl Inspector for Looks {
    async fn inspect(&self, source: &Source) -> Result<Box<dyn Inspect>> {
        let name = source.name.to_string();
        let (failure, hangs) = {
            let mut state = self.0.lock().unwrap();
            state.inspected.push(name.clone());
            (state.failing.get(&name).copied(), state.hanging.contains(&name))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        match failure {
            Some(code) => Err(Error::new(code, format!("{name} is away"))),
            None => Ok(Box::new(Look { looks: self.clone(), name })),
        }
    }
}

struct Look {
    looks: Looks,
    name: String,
}

#[async_trait]
impl Inspect for Look {
    async fn test(&self, _: Deadline) -> Result<()> {
        self.looks.0.lock().unwrap().tested.push(self.name.clone());
        Ok(())
    }

    async fn schemas(&self, _: Deadline) -> Result<Vec<Schema>> {
        Ok(self.looks.0.lock().unwrap().content.iter().map(|(schema, _)| schema.clone()).collect())
    }

    async fn tables(&self, schema: &str, _: Deadline) -> Result<Vec<Table>> {
        let state = self.looks.0.lock().unwrap();
        let found = state.content.iter().find(|(known, _)| known.name == schema);
        Ok(found.into_iter().flat_map(|(_, tables)| tables).map(|detail| detail.table.clone()).collect())
    }

    async fn table(&self, schema: &str, table: &str, _: Deadline) -> Result<TableDetail> {
        let state = self.looks.0.lock().unwrap();
        if let Some((time, clock)) = &state.pace {
            clock.advance(*time);
        }
        let mut tables = state.content.iter().flat_map(|(_, tables)| tables);
        let found = tables.find(|detail| detail.schema == schema && detail.table.name == table);
        found.cloned().ok_or_else(|| Error::not_found("table", table))
    }

    async fn close(&self) {}
}

/// A store that does not list the sources of one tenant, or never answers.
pub(crate) struct Unlisted {
    pub(crate) inner: Arc<dyn Repository<Source>>,
    pub(crate) tenant: TenantId,
    pub(crate) hangs: bool,
}

#[async_trait]
impl Repository<Source> for Unlisted {
    fn fresh(self: Arc<Self>) -> Arc<dyn Repository<Source>> {
        self
    }
    async fn create(&self, source: &Source) -> Result<()> {
        self.inner.create(source).await
    }
    async fn create_once(&self, source: &Source, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.inner.create_once(source, request).await
    }
    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.inner.stored_by(tenant, request).await
    }
    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<Source>>> {
        self.inner.get(tenant, id).await
    }
    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<Source>>> {
        self.inner.find(tenant, name).await
    }
    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<Source>> {
        if tenant == self.tenant && self.hangs {
            std::future::pending::<()>().await;
        }
        if tenant == self.tenant {
            return Err(Error::internal("a stored item cannot be read"));
        }
        self.inner.list(tenant, filter, after, limit).await
    }
    async fn count(&self, tenant: TenantId, at_most: u16) -> Result<u16> {
        self.inner.count(tenant, at_most).await
    }
    async fn replace(&self, source: &Source) -> Result<()> {
        self.inner.replace(source).await
    }
    async fn delete(&self, source: &Source) -> Result<()> {
        self.inner.delete(source).await
    }
    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>> {
        self.inner.users(tenant, id).await
    }
}

/// A vault that takes its time to forget a secret.
pub(crate) struct SlowVault {
    pub(crate) inner: FileVault,
    pub(crate) time: Duration,
}

#[async_trait]
impl Vault for SlowVault {
    async fn put(&self, reference: &SecretRef, secret: &SecretString) -> Result<()> {
        self.inner.put(reference, secret).await
    }
    async fn get(&self, reference: &SecretRef) -> Result<SecretString> {
        self.inner.get(reference).await
    }
    async fn delete(&self, reference: &SecretRef) -> Result<()> {
        tokio::time::sleep(self.time).await;
        self.inner.delete(reference).await
    }
    async fn list(&self, tenant: TenantId) -> Result<Vec<SecretRef>> {
        self.inner.list(tenant).await
    }
}

/// A deployment of its own for one test.
pub(crate) struct Deployment {
    pub(crate) local: LocalBackend,
    pub(crate) looks: Looks,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) tasks: Tasks,
    _folder: TempDir,
}

impl Deployment {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalBackend::open(folder.path()).await.unwrap();
        let (looks, clock) = (Looks::default(), Arc::new(TestClock::default()));
        let store = Arc::new(local.store.clone());
        let tasks = Tasks {
            tenants: Arc::clone(&store) as _,
            sources: Arc::clone(&store) as _,
            keys: Arc::clone(&store) as _,
            vault: Arc::new(local.vault.clone()),
            inspector: Arc::new(looks.clone()),
            health: Arc::clone(&store) as _,
            catalogs: Arc::clone(&store) as _,
            progress: Arc::clone(&store) as _,
            clock: Arc::clone(&clock) as _,
            rotation: RotationRules::default(),
            keep_keys_days: 90,
        };
        Self { local, looks, clock, tasks, _folder: folder }
    }

    pub(crate) fn store(&self) -> &DynamoStore {
        &self.local.store
    }

    /// Runs a task that has so much time.
    pub(crate) async fn run(&self, task: &str, time: Duration) -> Result<Json> {
        self.event(json!({"task": task}), time).await
    }

    pub(crate) async fn event(&self, event: Json, time: Duration) -> Result<Json> {
        self.tasks.run(&event, Deadline::after(self.clock.instant(), time)).await
    }

    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        let id = TenantId::from_uuid(Uuid::now_v7());
        let tenant = Tenant { id, name: name.parse().unwrap(), created_at: Utc::now(), closed_at: None };
        Tenants::create(self.store(), &tenant, &key(id, "owner")).await.unwrap();
        id
    }

    pub(crate) async fn source(&self, tenant: TenantId, name: &str) -> Source {
        self.register(tenant, name, |_| None).await
    }

    /// A source whose credentials were given then. The vault does not hold them.
    pub(crate) async fn source_with_secret(&self, tenant: TenantId, name: &str, given: DateTime<Utc>) -> Source {
        self.register(tenant, name, |source| Some(Self::secret(source, given))).await
    }

    /// Where credentials of a source are that were given then.
    pub(crate) fn secret(source: &Source, given: DateTime<Utc>) -> SecretRef {
        let given = Timestamp::from_unix(NoContext, given.timestamp().unsigned_abs(), 0);
        SecretRef::new(source.tenant, source.id, Uuid::new_v7(given))
    }

    async fn register(
        &self,
        tenant: TenantId,
        name: &str,
        secret: impl FnOnce(&Source) -> Option<SecretRef>,
    ) -> Source {
        let mut source = Source {
            id: SourceId::from_uuid(Uuid::now_v7()),
            tenant,
            name: name.parse().unwrap(),
            description: String::new(),
            connection: Connection::Sqlite(SqliteFile { path: "x".to_owned(), max_sessions: 1 }),
            connection_since: None,
            secret: None,
            tags: Vec::new(),
            limits: Limits::default(),
            max_estimate: MaxEstimate::default(),
            allow_raw: false,
            allow_raw_writes: false,
            warnings: Vec::new(),
            version: 1,
            created_at: Utc::now(),
            updated_at: Utc::now(),
        };
        source.secret = secret(&source);
        Repository::<Source>::create(self.store(), &source).await.unwrap();
        source
    }
}
