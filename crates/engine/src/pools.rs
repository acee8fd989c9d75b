//! Connectors, one per source version, each with its pool of sessions.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use secrecy::ExposeSecret;
use tidegate_connectors::{AnyConnector, Connector, ConnectorConfig};
use tidegate_core::{
    Error, ErrorCode, Result,
    id::SourceId,
    ports::{Clock, Vault},
    source::{Credentials, Source},
};

use crate::guarded::Guarded;

/// How many sources a process keeps sessions to.
const MOST: u64 = 500;

/// How long an unused connector keeps its sessions.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// A source's connector, with what bounds the calls on it.
pub(crate) type SourceConnector = Guarded<AnyConnector>;

pub(crate) struct Pools {
    connectors: Cache<(SourceId, u64), Arc<SourceConnector>>,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    config: ConnectorConfig,
}

impl Pools {
    pub(crate) fn new(vault: Arc<dyn Vault>, clock: Arc<dyn Clock>, config: ConnectorConfig) -> Self {
        // A connector that leaves the cache closes its sessions when the last call on it has ended.
        Self { connectors: Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build(), vault, clock, config }
    }

    /// The connector of a source at its version. The credentials are fetched once per version.
    pub(crate) async fn get(&self, source: &Source) -> Result<Arc<SourceConnector>> {
        let key = (source.id, source.version);
        if let Some(connector) = self.connectors.get(&key).await {
            return Ok(connector);
        }
        self.connectors.try_get_with(key, self.open(source)).await.map_err(|error: Arc<Error>| Error::clone(&error))
    }

    /// A connector of its own for a source, which nothing keeps.
    pub(crate) async fn open(&self, source: &Source) -> Result<Arc<SourceConnector>> {
        let credentials = match &source.secret {
            Some(reference) => {
                let secret = self.vault.get(reference).await.map_err(|error| unread(source, error))?;
                let credentials: Credentials = serde_json::from_str(secret.expose_secret())
                    .map_err(|_| Error::internal(format_args!("the secret of source {} is not readable", source.id)))?;
                Some(credentials)
            }
            None => None,
        };
        let connector = AnyConnector::new(&source.connection, credentials.as_ref(), &self.config)?;
        let (kind, max_sessions) = (source.connection.kind(), source.connection.max_sessions());
        Ok(Arc::new(Guarded::new(kind, connector, max_sessions, Arc::clone(&self.clock))))
    }

    pub(crate) async fn close(&self) {
        let connectors: Vec<Arc<SourceConnector>> = self.connectors.iter().map(|(_, connector)| connector).collect();
        self.connectors.invalidate_all();
        for connector in connectors {
            connector.close().await;
        }
    }
}

/// Says whose credentials the vault did not give. That it has lost them is its fault, and not the source's.
fn unread(source: &Source, error: Error) -> Error {
    let Source { name, tenant, .. } = source;
    let error = match error.code() {
        ErrorCode::NotFound => Error::new(
            ErrorCode::Unavailable,
            format!("the vault has lost the credentials of the source `{name}`; save them again"),
        )
        .with_context(format_args!("{error:?}")),
        _ => error,
    };
    error.with_context(format_args!("the credentials of the source `{name}` of the tenant {tenant}"))
}
