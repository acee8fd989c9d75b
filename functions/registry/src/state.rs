//! What the handlers need.

use std::sync::Arc;

use axum::extract::FromRef;
use tidegate_core::{
    Result,
    ports::{CatalogSnapshots, Clock, Ids, Repository, Revisions, SourceHealths, Vault},
    query::Query,
    quota::Quotas,
    rotation::RotationRules,
    server::Server,
    source::Source,
};
use tidegate_engine::Engine;
use tidegate_http::Authenticator;
use tidegate_platform::Platform;

/// What the handlers need; made once per process.
#[derive(Clone)]
pub struct RegistryState {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Proves queries.
    pub engine: Arc<Engine>,
    /// The sources.
    pub sources: Arc<dyn Repository<Source>>,
    /// The queries.
    pub queries: Arc<dyn Repository<Query>>,
    /// The revisions of the queries.
    pub revisions: Arc<dyn Revisions>,
    /// The servers.
    pub servers: Arc<dyn Repository<Server>>,
    /// Where credentials go.
    pub vault: Arc<dyn Vault>,
    /// Whether sources could be reached.
    pub health: Arc<dyn SourceHealths>,
    /// What sources contained.
    pub catalogs: Arc<dyn CatalogSnapshots>,
    /// How many of each one tenant may have.
    pub quotas: Quotas,
    /// When credentials should be replaced.
    pub rotation: RotationRules,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

impl RegistryState {
    /// The state over a platform and its engine. What is read here is shown with its version, checked against
    /// `If-Match` and written back, so it comes from the store.
    pub fn new(platform: &Platform, engine: Arc<Engine>) -> Result<Self> {
        Ok(Self {
            authenticator: Arc::clone(&platform.authenticator),
            engine,
            sources: Arc::clone(&platform.sources).fresh(),
            queries: Arc::clone(&platform.queries).fresh(),
            revisions: Arc::clone(&platform.revisions),
            servers: Arc::clone(&platform.servers).fresh(),
            vault: Arc::clone(&platform.secrets()?.vault),
            health: Arc::clone(&platform.source_health),
            catalogs: Arc::clone(&platform.catalogs),
            quotas: platform.environment.quotas,
            rotation: platform.environment.rotation,
            clock: Arc::clone(&platform.clock),
            ids: Arc::clone(&platform.ids),
        })
    }
}

impl FromRef<RegistryState> for Arc<Authenticator> {
    fn from_ref(state: &RegistryState) -> Self {
        Arc::clone(&state.authenticator)
    }
}
