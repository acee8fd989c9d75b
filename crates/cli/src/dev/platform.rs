//! Every function in this process, over the local backend.

use std::{
    path::{self, Path},
    sync::Arc,
};

use axum::Router;
use tidegate_auth::AuthState;
use tidegate_connectors::ConnectorConfig;
use tidegate_core::{Error, Result, network::SourceNetworks, tenant::SignUp};
use tidegate_engine::Engine;
use tidegate_execute::ExecuteState;
use tidegate_http::{edge, health, openapi};
use tidegate_mcp::McpState;
use tidegate_platform::{Environment, Platform};
use tidegate_registry::RegistryState;
use tidegate_store::LocalBackend;
use tidegate_sync::Tasks;
use utoipa::OpenApi;

use super::record::Record;
use crate::commands::store::target::migrations;

/// The functions and what they stand on.
pub(super) struct LocalPlatform {
    pub(super) platform: Platform,
    pub(super) tasks: Arc<Tasks>,
    engine: Arc<Engine>,
    _backend: LocalBackend,
}

impl LocalPlatform {
    /// Opens the storage in a folder, and puts the functions on it.
    pub(super) async fn open(folder: &Path, environment: Environment) -> Result<Self> {
        let backend = LocalBackend::open(folder).await?;
        bring_up_to_date(&backend).await?;
        let platform = Platform::new(environment, backend.store.clone())
            .with_secrets(backend.vault.clone(), Arc::clone(&backend.key));
        let engine = platform.engine(connectors(folder, &platform.environment)?)?;
        let tasks = Arc::new(Tasks::new(&platform, Arc::clone(&engine))?);
        Ok(Self { platform, tasks, engine, _backend: backend })
    }

    /// The routes of every function, with the layers of the edge around them.
    pub(super) fn router(&self) -> Result<Router> {
        let router = self
            .functions()?
            .merge(health::router(self.platform.health.clone()))
            .merge(openapi::router(&document()).map_err(Error::internal)?);
        let callers = &self.platform.environment.caller_networks;
        Ok(edge::layered(router, Arc::clone(&self.platform.ids), callers))
    }

    fn functions(&self) -> Result<Router> {
        let (platform, engine) = (&self.platform, || Arc::clone(&self.engine));
        Ok(Router::new()
            .merge(tidegate_registry::router(RegistryState::new(platform, engine())?))
            .merge(tidegate_execute::router(ExecuteState::new(platform, engine())))
            .merge(tidegate_auth::router(AuthState::new(platform)))
            .merge(tidegate_mcp::router(McpState::new(platform, engine()))))
    }

    /// Writes what waits to be written, and closes every session.
    pub(super) async fn close(&self) -> Result<()> {
        self.engine.close().await;
        self.platform.settle().await
    }
}

/// What sources may be. What this machine reaches is for its user to say; where others may make tenants, its environment
/// does.
fn connectors(folder: &Path, environment: &Environment) -> Result<ConnectorConfig> {
    let is_open = environment.sign_up == SignUp::Open;
    let mut sqlite_reserved = LocalBackend::own_files(folder);
    sqlite_reserved.push(Record::path(folder));
    Ok(ConnectorConfig {
        // A path from the root of the machine is inside of it by its text.
        sqlite_root: path::absolute(folder).map_err(Error::internal)?,
        sqlite_confined: is_open,
        sqlite_reserved,
        networks: if is_open { environment.source_networks.clone() } else { SourceNetworks::everywhere() },
    })
}

/// The OpenAPI document of every function.
fn document() -> utoipa::openapi::OpenApi {
    let functions = [
        tidegate_registry::document(),
        tidegate_execute::document(),
        tidegate_auth::document(),
        tidegate_mcp::document(),
    ];
    functions.into_iter().fold(openapi::Document::openapi(), |mut document, function| {
        document.merge(function);
        document
    })
}

/// Nobody else has the folder, so its migrations are applied without a question.
async fn bring_up_to_date(backend: &LocalBackend) -> Result<()> {
    let migrations = migrations(&backend.store);
    migrations.initialise().await?;
    if !migrations.status().await?.pending.is_empty() {
        migrations.upgrade().await?;
    }
    backend.store.check_version().await
}
