//! Every write of a store but those of migrations, which have tests of their own.

use std::{sync::Arc, time::Duration};

use tidegate_core::{
    Result,
    api_key::ApiKey,
    execution::Execution,
    health::SourceHealth,
    idempotency::IdempotentRequest,
    ports::{self, CatalogSnapshots, Place, Progress, Repository, SourceHealths},
    query::Query,
    server::Server,
    snapshot::CatalogContent,
    source::Source,
    tenant::Tenant,
};
use tidegate_store::{BatchExecutions, DynamoStore, Migrations, SystemClock};

use crate::{
    fixtures::{api_key, execution, query, revision, server, source, tenant},
    scheduled::content,
};

/// What the steps write, alike on every store.
pub(super) struct Things {
    pub(super) tenant: Tenant,
    pub(super) source: Source,
    other: Source,
    pub(super) request: IdempotentRequest,
    query: Query,
    /// The query with a draft beside what runs.
    saved: Query,
    server: Server,
    owner_key: ApiKey,
    key: ApiKey,
    executions: Vec<Execution>,
    health: SourceHealth,
    /// What the source contains, which takes two items, and later one.
    much: CatalogContent,
    little: CatalogContent,
}

impl Things {
    pub(super) fn new() -> Self {
        let id = tenant();
        let now = chrono::Utc::now();
        let flights = source(id, "flights");
        let other = source(id, "trains");
        let query = query(id, "late", &flights);
        Self {
            tenant: Tenant { id, name: "acme".parse().unwrap(), created_at: now, closed_at: None },
            request: IdempotentRequest { key: "key".to_owned(), fingerprint: "all of it".to_owned(), at: now },
            server: server(id, "desk", [query.id]),
            owner_key: api_key(id, "owner"),
            key: api_key(id, "app"),
            executions: (0..3).map(|_| execution(id)).collect(),
            health: SourceHealth::found(Ok(()), now, Duration::ZERO, None).unwrap(),
            much: content(24, 32_000),
            little: content(1, 64),
            saved: query.with_draft(revision(2, "late", &other)),
            source: flights,
            other,
            query,
        }
    }
}

/// The writes, in an order in which each can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Initialise,
    MakeTenant,
    CreateSource,
    CreateSourceOnce,
    CreateQuery,
    CreateServer,
    CreateKey,
    ReplaceSource,
    SaveDraft,
    ReplaceServer,
    RevokeKey,
    Record,
    RecordHealth,
    KeepCatalog,
    KeepSmallerCatalog,
    KeepSameCatalog,
    NotePlace,
    NoteEnd,
    DeleteServer,
    DeleteQuery,
    DeleteSource,
    ForgetCatalog,
    CloseTenant,
    RemoveTenant,
}

impl Step {
    pub(super) const ALL: [Self; 24] = [
        Self::Initialise,
        Self::MakeTenant,
        Self::CreateSource,
        Self::CreateSourceOnce,
        Self::CreateQuery,
        Self::CreateServer,
        Self::CreateKey,
        Self::ReplaceSource,
        Self::SaveDraft,
        Self::ReplaceServer,
        Self::RevokeKey,
        Self::Record,
        Self::RecordHealth,
        Self::KeepCatalog,
        Self::KeepSmallerCatalog,
        Self::KeepSameCatalog,
        Self::NotePlace,
        Self::NoteEnd,
        Self::DeleteServer,
        Self::DeleteQuery,
        Self::DeleteSource,
        Self::ForgetCatalog,
        Self::CloseTenant,
        Self::RemoveTenant,
    ];

    /// Whether it is a transaction. What is not is one item, or items of which each is whole.
    pub(super) fn is_transaction(self) -> bool {
        !(matches!(self, Self::Initialise | Self::Record | Self::RecordHealth | Self::NotePlace | Self::NoteEnd)
            || self.is_many())
    }

    /// Whether it is many writes, of which some may be made. Who does it again does the rest.
    pub(super) fn is_many(self) -> bool {
        matches!(self, Self::CloseTenant | Self::RemoveTenant)
    }

    pub(super) async fn run(self, store: &DynamoStore, things: &Things) -> Result<()> {
        let Things { source, query, server, key, .. } = things;
        let replaced = || Source { version: 2, description: "of 2020".to_owned(), ..source.clone() };
        let without = || Server { version: 2, query_ids: vec![], ..server.clone() };
        let (tenant, made_at) = (source.tenant, things.tenant.created_at);
        let keep = async |content| store.keep(tenant, source.id, content, made_at).await.map(drop);
        match self {
            Self::Initialise => {
                let migrations = Migrations::new(store.clone(), Arc::new(SystemClock), "a test".to_owned());
                migrations.initialise().await.map(drop)
            }
            Self::MakeTenant => ports::Tenants::create(store, &things.tenant, &things.owner_key).await,
            Self::CreateSource => store.create(source).await,
            Self::CreateSourceOnce => {
                assert!(store.create_once(&things.other, &things.request).await?.is_none());
                Ok(())
            }
            Self::CreateQuery => store.create(query).await,
            Self::CreateServer => store.create(server).await,
            Self::CreateKey => store.create(key).await,
            Self::ReplaceSource => store.replace(&replaced()).await,
            Self::SaveDraft => store.replace(&things.saved).await,
            Self::ReplaceServer => store.replace(&without()).await,
            Self::RevokeKey => {
                store.replace(&ApiKey { version: 2, revoked_at: Some(key.created_at), ..key.clone() }).await
            }
            Self::Record => store.record_all(&things.executions).await,
            Self::RecordHealth => SourceHealths::record(store, tenant, source.id, &things.health).await,
            Self::KeepCatalog => keep(&things.much).await,
            Self::KeepSmallerCatalog | Self::KeepSameCatalog => keep(&things.little).await,
            Self::NotePlace => store.note("purge", Some(Place { tenant, source: Some(source.id) })).await,
            Self::NoteEnd => store.note("purge", None).await,
            Self::DeleteServer => store.delete(&without()).await,
            Self::DeleteQuery => store.delete(&things.saved).await,
            Self::DeleteSource => store.delete(&replaced()).await,
            Self::ForgetCatalog => store.forget(tenant, source.id).await,
            Self::CloseTenant => ports::Tenants::close(store, &things.tenant, made_at).await,
            Self::RemoveTenant => ports::Tenants::remove(store, &things.tenant).await.map(drop),
        }
    }
}
