//! Every function over one set of adapters.

use std::{path::Path, sync::Arc, time::Duration};

use axum::Router;
use secrecy::{ExposeSecret, SecretBox};
use tidegate_auth::AuthState;
use tidegate_connectors::ConnectorConfig;
use tidegate_core::{
    Error, Result,
    api_key::ApiKey,
    ports::{Clock, Entity, Executions, Health, Ids, Repository, Revisions, Tenants, Vault},
    query::Query,
    server::Server,
    source::Source,
};
use tidegate_engine::{Engine, EngineParts};
use tidegate_execute::ExecuteState;
use tidegate_http::{Authenticator, edge, health, openapi};
use tidegate_mcp::McpState;
use tidegate_registry::RegistryState;
use tidegate_statement::CursorKey;
use tidegate_store::{BufferedExecutions, Cached, LocalBackend, SystemClock, SystemIds};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::environment::Environment;

/// How many sources, queries, servers and keys a process keeps in memory, each.
const CACHE_CAPACITY: u64 = 10_000;

/// The functions and what they stand on.
pub(super) struct Platform {
    pub(super) tenants: Arc<dyn Tenants>,
    pub(super) keys: Arc<dyn Repository<ApiKey>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    sources: Arc<dyn Repository<Source>>,
    queries: Arc<dyn Repository<Query>>,
    revisions: Arc<dyn Revisions>,
    servers: Arc<dyn Repository<Server>>,
    vault: Arc<dyn Vault>,
    history: Arc<BufferedExecutions>,
    engine: Arc<Engine>,
    health: Vec<Arc<dyn Health>>,
    hosts: Vec<String>,
    _backend: LocalBackend,
}

impl Platform {
    /// Opens the storage in a folder, and puts the functions on it.
    pub(super) async fn open(folder: &Path, environment: &Environment) -> Result<Self> {
        let backend = LocalBackend::open(folder).await?;
        let days = Duration::from_secs(u64::from(environment.history_days) * 86_400);
        let store = Arc::new(backend.store.clone().with_retention(days));
        let lifetime = Duration::from_secs(environment.cache_seconds.into());
        let vault = Arc::new(backend.vault.clone());
        let history = Arc::new(BufferedExecutions::new(Arc::clone(&store) as _));
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));

        fn cached<T: Entity>(inner: Arc<dyn Repository<T>>, lifetime: Duration) -> Arc<dyn Repository<T>> {
            Arc::new(Cached::new(inner, CACHE_CAPACITY, lifetime))
        }
        let sources = cached::<Source>(Arc::clone(&store) as _, lifetime);
        let queries = cached::<Query>(Arc::clone(&store) as _, lifetime);
        let servers = cached::<Server>(Arc::clone(&store) as _, lifetime);
        let keys = cached::<ApiKey>(Arc::clone(&store) as _, lifetime);
        let cursor_key: SecretBox<[u8; 32]> = backend.key.derive("cursors")?;
        let engine = Arc::new(Engine::new(EngineParts {
            sources: Arc::clone(&sources),
            queries: Arc::clone(&queries),
            servers: Arc::clone(&servers),
            api_keys: Arc::clone(&keys),
            vault: Arc::clone(&vault) as _,
            executions: Arc::clone(&history) as Arc<dyn Executions>,
            clock: Arc::clone(&clock) as _,
            ids: Arc::clone(&ids) as _,
            cursor_key: CursorKey::from(*cursor_key.expose_secret()),
            budget: environment.budget,
            connectors: ConnectorConfig { sqlite_root: folder.to_owned(), sqlite_confined: false },
        }));
        Ok(Self {
            tenants: Arc::clone(&store) as _,
            keys,
            clock,
            ids,
            sources,
            queries,
            revisions: Arc::clone(&store) as _,
            servers,
            vault: Arc::clone(&vault) as _,
            history,
            engine,
            health: vec![store as _, vault as _],
            hosts: environment.hosts.clone(),
            _backend: backend,
        })
    }

    /// The routes of every function, with the layers of the edge around them.
    pub(super) fn router(&self) -> Result<Router> {
        let (functions, document) = self.functions().split_for_parts();
        let router = functions
            .merge(health::router(self.health.clone()))
            .merge(openapi::router(&document).map_err(Error::internal)?);
        Ok(edge::layered(router, Arc::clone(&self.ids)))
    }

    fn functions(&self) -> OpenApiRouter {
        let authenticator = Arc::new(Authenticator::new(Arc::clone(&self.keys), Arc::clone(&self.clock)));
        OpenApiRouter::with_openapi(openapi::Document::openapi())
            .merge(tidegate_registry::router(RegistryState {
                authenticator: Arc::clone(&authenticator),
                engine: Arc::clone(&self.engine),
                sources: Arc::clone(&self.sources),
                queries: Arc::clone(&self.queries),
                revisions: Arc::clone(&self.revisions),
                servers: Arc::clone(&self.servers),
                vault: Arc::clone(&self.vault),
                clock: Arc::clone(&self.clock),
                ids: Arc::clone(&self.ids),
            }))
            .merge(tidegate_execute::router(ExecuteState {
                authenticator: Arc::clone(&authenticator),
                engine: Arc::clone(&self.engine),
            }))
            .merge(tidegate_auth::router(AuthState {
                authenticator: Arc::clone(&authenticator),
                keys: Arc::clone(&self.keys),
                servers: Arc::clone(&self.servers),
                queries: Arc::clone(&self.queries),
                clock: Arc::clone(&self.clock),
                ids: Arc::clone(&self.ids),
            }))
            .merge(tidegate_mcp::router(McpState::new(
                authenticator,
                Arc::clone(&self.engine),
                self.hosts.iter().cloned(),
            )))
    }

    /// Writes what waits to be written, and closes every session.
    pub(super) async fn close(&self) -> Result<()> {
        self.engine.close().await;
        self.history.flush().await
    }
}
