//! Stores and entities for the tests.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tempfile::TempDir;
use tidegate_core::{
    Name,
    api_key::ApiKey,
    budget::Limits,
    cost::MaxEstimate,
    execution::{Execution, ExecutionFilter, Timing},
    id::{ApiKeyId, ExecutionId, QueryId, ServerId, SourceId, TenantId},
    ports::{Entity, Executions},
    principal::{Caller, Role, Scope},
    query::{Mode, Proof, Query, QuerySpec, Revision, Stage},
    server::{Server, ServerSpec},
    source::{Connection, Source, SqliteFile},
};
use tidegate_store::{AwsBackend, AwsSettings, DynamoStore, LocalBackend};
use uuid::Uuid;

/// A store with an empty table, which lives as long as this.
pub(crate) struct TestStore {
    pub(crate) store: DynamoStore,
    _local: Option<(LocalBackend, TempDir)>,
}

impl TestStore {
    pub(crate) async fn open() -> Self {
        if let Ok(endpoint) = std::env::var("TIDEGATE_TEST_DYNAMODB_URL") {
            let settings = AwsSettings {
                table: format!("tidegate-test-{}", Uuid::now_v7()),
                secrets: None,
                endpoint: Some(endpoint),
            };
            let store = AwsBackend::from_environment(&settings).unwrap().store;
            store.create_table().await.unwrap();
            return Self { store, _local: None };
        }
        let folder = tempfile::tempdir().unwrap();
        let local = LocalBackend::open(folder.path()).await.unwrap();
        Self { store: local.store.clone(), _local: Some((local, folder)) }
    }
}

pub(crate) fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::now_v7())
}

/// A moment that JSON keeps exactly.
fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap()
}

pub(crate) fn source(tenant: TenantId, name: &str) -> Source {
    Source {
        id: SourceId::from_uuid(Uuid::now_v7()),
        tenant,
        name: name.parse().unwrap(),
        description: "flights of \"2019\", é and \u{1F6EB}\n".to_owned(),
        connection: Connection::Sqlite(SqliteFile { path: "flights.sqlite".to_owned(), max_sessions: 3 }),
        connection_since: None,
        secret: None,
        tags: vec!["demo".to_owned()],
        limits: Limits { rows: Some(std::num::NonZeroU64::MAX), ..Limits::default() },
        max_estimate: MaxEstimate { cost: None, rows: Some(std::num::NonZeroU64::MAX) },
        allow_raw: true,
        allow_raw_writes: false,
        warnings: vec!["the login may change rows".to_owned()],
        version: 1,
        created_at: moment(),
        updated_at: moment(),
    }
}

pub(crate) fn revision(number: u64, name: &str, source: &Source) -> Revision {
    Revision {
        number,
        spec: QuerySpec {
            name: name.parse().unwrap(),
            title: None,
            description: "what is late".to_owned(),
            source: source.name.clone(),
            statement: "SELECT * FROM flights WHERE carrier = {{ carrier }}".to_owned(),
            mode: Mode::Read,
            parameters: vec![],
            order: vec![],
            tags: vec![],
            limits: Limits::default(),
            max_estimate: MaxEstimate::default(),
            keep_arguments: false,
            deprecated: None,
        },
        source_id: source.id,
        columns: None,
        proof: Proof::Described,
        saved_at: moment(),
        saved_by: Caller::ApiKey(ApiKeyId::from_uuid(Uuid::now_v7())),
        published_at: None,
    }
}

pub(crate) fn query(tenant: TenantId, name: &str, source: &Source) -> Query {
    published(tenant, revision(1, name, source))
}

/// A query with one revision, which runs.
pub(crate) fn published(tenant: TenantId, revision: Revision) -> Query {
    Query {
        id: QueryId::from_uuid(Uuid::now_v7()),
        tenant,
        stage: Stage::Published(Arc::new(revision)),
        newest_revision: 1,
        version: 1,
        created_at: moment(),
        updated_at: moment(),
    }
}

pub(crate) fn server(tenant: TenantId, name: &str, queries: impl IntoIterator<Item = QueryId>) -> Server {
    Server {
        id: ServerId::from_uuid(Uuid::now_v7()),
        tenant,
        spec: ServerSpec {
            name: name.parse().unwrap(),
            title: None,
            description: String::new(),
            instructions: None,
            queries: vec![],
            query_tags: vec![],
            builtins: vec![],
            sources: vec![],
            tags: vec![],
        },
        query_ids: queries.into_iter().collect(),
        source_ids: vec![],
        version: 1,
        created_at: moment(),
        updated_at: moment(),
    }
}

pub(crate) fn api_key(tenant: TenantId, name: &str) -> ApiKey {
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
        created_at: moment(),
    }
}

pub(crate) fn execution(tenant: TenantId) -> Execution {
    Execution {
        id: ExecutionId::from_uuid(Uuid::now_v7()),
        tenant,
        request: None,
        caller: Caller::ApiKey(ApiKeyId::from_uuid(Uuid::now_v7())),
        query: Some((QueryId::from_uuid(Uuid::now_v7()), 3)),
        server: Some("desk".parse().unwrap()),
        source: SourceId::from_uuid(Uuid::now_v7()),
        fingerprint: "0123456789abcdef".to_owned(),
        started_at: moment(),
        elapsed_us: 1_234,
        timing: Timing { prepare_us: 20, queue_us: Some(30), first_row_us: Some(400), ..Timing::default() },
        rows: 10,
        bytes: 2_000,
        truncated: None,
        error: None,
        arguments: None,
    }
}

pub(crate) fn names<T: Entity>(entities: &[Arc<T>]) -> Vec<&str> {
    entities.iter().map(|entity| Name::as_str(entity.name())).collect()
}

/// The newest executions of a tenant, up to a hundred.
pub(crate) async fn newest(history: &dyn Executions, tenant: TenantId) -> Vec<Execution> {
    history.page(tenant, &ExecutionFilter::default(), None, 100).await.unwrap().items
}
