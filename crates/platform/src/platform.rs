//! The adapters of the ports, over one backend.

use std::{sync::Arc, time::Duration};

use tidegate_core::{
    Error, Result,
    api_key::ApiKey,
    ports::{
        CatalogSnapshots, Clock, Entity, Health, Ids, Progress, Repository, Revisions, SourceHealths, Tenants, Vault,
    },
    query::Query,
    server::Server,
    source::Source,
};
use tidegate_http::Authenticator;
use tidegate_store::{BufferedExecutions, Cached, CachedTenants, DynamoStore, MasterKey, SystemClock, SystemIds};

use crate::Environment;

/// How many sources, queries, servers, keys and tenants a process keeps in memory, each.
const CACHE_CAPACITY: u64 = 10_000;

/// What the functions stand on; made once per process.
pub struct Platform {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// The tenants.
    pub tenants: Arc<dyn Tenants>,
    /// The API keys.
    pub keys: Arc<dyn Repository<ApiKey>>,
    /// The sources.
    pub sources: Arc<dyn Repository<Source>>,
    /// The queries.
    pub queries: Arc<dyn Repository<Query>>,
    /// The revisions of the queries.
    pub revisions: Arc<dyn Revisions>,
    /// The servers.
    pub servers: Arc<dyn Repository<Server>>,
    /// The history. It is written behind the calls: see [`Platform::settle`].
    pub executions: Arc<BufferedExecutions>,
    /// Whether sources could be reached.
    pub source_health: Arc<dyn SourceHealths>,
    /// What sources contained.
    pub catalogs: Arc<dyn CatalogSnapshots>,
    /// Where the tasks of `sync` go on.
    pub progress: Arc<dyn Progress>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and randomness.
    pub ids: Arc<dyn Ids>,
    /// The parts whose health is asked.
    pub health: Vec<Arc<dyn Health>>,
    /// What is set for this deployment.
    pub environment: Environment,
    secrets: Option<Secrets>,
}

/// What a function needs that reaches sources.
pub struct Secrets {
    /// The secrets of sources.
    pub vault: Arc<dyn Vault>,
    /// What other keys, such as that of cursors, derive from.
    pub master_key: Arc<MasterKey>,
}

impl Platform {
    /// A platform over a store, which reaches no source. It must be made inside a Tokio runtime.
    pub fn new(environment: Environment, store: DynamoStore) -> Self {
        let days = Duration::from_secs(u64::from(environment.history_days) * 86_400);
        let store = Arc::new(store.with_retention(days));
        let lifetime = Duration::from_secs(environment.cache_seconds.into());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);

        fn cached<T: Entity>(inner: Arc<dyn Repository<T>>, lifetime: Duration) -> Arc<dyn Repository<T>> {
            Arc::new(Cached::new(inner, CACHE_CAPACITY, lifetime))
        }
        let keys = cached::<ApiKey>(Arc::clone(&store) as _, lifetime);
        let tenants = Arc::new(CachedTenants::new(Arc::clone(&store) as _, CACHE_CAPACITY, lifetime));
        let token_claims = environment.token_claims.clone();
        Self {
            authenticator: Arc::new(Authenticator::new(Arc::clone(&keys), tenants, token_claims, Arc::clone(&clock))),
            tenants: Arc::clone(&store) as _,
            keys,
            sources: cached(Arc::clone(&store) as _, lifetime),
            queries: cached(Arc::clone(&store) as _, lifetime),
            revisions: Arc::clone(&store) as _,
            servers: cached(Arc::clone(&store) as _, lifetime),
            executions: Arc::new(BufferedExecutions::new(Arc::clone(&store) as _)),
            source_health: Arc::clone(&store) as _,
            catalogs: Arc::clone(&store) as _,
            progress: Arc::clone(&store) as _,
            clock,
            ids: Arc::new(SystemIds),
            health: vec![store as _],
            environment,
            secrets: None,
        }
    }

    /// The same platform, which reaches sources with the secrets of this vault.
    #[must_use]
    pub fn with_secrets<V: Vault + Health + 'static>(mut self, vault: V, master_key: Arc<MasterKey>) -> Self {
        let vault = Arc::new(vault);
        self.health.push(Arc::clone(&vault) as _);
        self.secrets = Some(Secrets { vault, master_key });
        self
    }

    /// What reaching sources takes. `Internal` when the platform was made without.
    pub fn secrets(&self) -> Result<&Secrets> {
        self.secrets.as_ref().ok_or_else(|| Error::internal("this function is not told of the secrets of sources"))
    }

    /// Waits until what was recorded is written. Call it before the process ends or is frozen.
    pub async fn settle(&self) -> Result<()> {
        self.executions.flush().await
    }
}
