//! What the handlers need.

use std::sync::Arc;

use axum::extract::FromRef;
use serde::Deserialize;
use tidegate_core::{
    Result,
    ports::{Clock, Entity, Ids, Repository, Vault},
    query::Query,
    server::Server,
    source::Source,
};
use tidegate_engine::Engine;
use tidegate_http::{Authenticator, version::conflict};
use utoipa::IntoParams;

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
    /// The servers.
    pub servers: Arc<dyn Repository<Server>>,
    /// Where credentials go.
    pub vault: Arc<dyn Vault>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

impl FromRef<RegistryState> for Arc<Authenticator> {
    fn from_ref(state: &RegistryState) -> Self {
        Arc::clone(&state.authenticator)
    }
}

/// How a deletion treats what needs the deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// Whether what needs it goes too: the queries of a source are deleted, servers leave it out.
    #[serde(default)]
    pub cascade: bool,
}

/// Refuses a change to a version that is not the newest, before anything is done for it.
pub(crate) fn expect_version<T: Entity>(entity: &T, read: u64) -> Result<()> {
    if entity.version() == read {
        return Ok(());
    }
    Err(conflict(format_args!("the {} `{}`", T::KIND, entity.name()), read, entity.version()))
}

/// Refuses a replacement under another name: others refer to the entity by it.
pub(crate) fn expect_name<T: Entity>(entity: &T, name: &tidegate_core::Name) -> Result<()> {
    if entity.name() == name {
        return Ok(());
    }
    Err(tidegate_core::Error::invalid_argument(
        "name",
        format!("the name of the {} `{}` cannot change; make another under the new name", T::KIND, entity.name()),
    ))
}
