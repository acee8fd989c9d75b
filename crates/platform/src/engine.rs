//! The engine over a platform.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox};
use tidegate_connectors::ConnectorConfig;
use tidegate_core::{Result, ports::Executions};
use tidegate_engine::{Engine, EngineParts};
use tidegate_statement::CursorKey;

use crate::{Environment, Platform};

impl Platform {
    /// The engine of a deployment for many tenants: SQLite files come from one folder only, and servers are where the
    /// environment allows them.
    pub fn hosted_engine(&self) -> Result<Arc<Engine>> {
        let Environment { sqlite_folder, source_networks, .. } = &self.environment;
        self.engine(ConnectorConfig {
            sqlite_root: sqlite_folder.clone(),
            sqlite_confined: true,
            // A function has no files of its own beside its package.
            sqlite_reserved: Vec::new(),
            networks: source_networks.clone(),
        })
    }

    /// An engine that reaches its sources by these settings.
    pub fn engine(&self, connectors: ConnectorConfig) -> Result<Arc<Engine>> {
        let secrets = self.secrets()?;
        let cursor_key: SecretBox<[u8; 32]> = secrets.master_key.derive("cursors")?;
        Ok(Arc::new(Engine::new(EngineParts {
            sources: Arc::clone(&self.sources),
            queries: Arc::clone(&self.queries),
            servers: Arc::clone(&self.servers),
            api_keys: Arc::clone(&self.keys),
            vault: Arc::clone(&secrets.vault),
            executions: Arc::clone(&self.executions) as Arc<dyn Executions>,
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            cursor_key: CursorKey::from(*cursor_key.expose_secret()),
            budget: self.environment.budget,
            connectors,
        })))
    }
}
