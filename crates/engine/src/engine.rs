//! What a call needs, put together once per process.

use std::sync::Arc;

use tidegate_connectors::ConnectorConfig;
use tidegate_core::{
    api_key::ApiKey,
    budget::Budget,
    deadline::Deadline,
    ports::{Clock, Executions, Ids, Repository, Vault},
    query::Query,
    server::Server,
    source::Source,
};
use tidegate_statement::CursorKey;

use crate::{pools::Pools, templates::Templates};

/// What an engine is made of.
pub struct EngineParts {
    /// The registered sources.
    pub sources: Arc<dyn Repository<Source>>,
    /// The registered queries.
    pub queries: Arc<dyn Repository<Query>>,
    /// The registered servers.
    pub servers: Arc<dyn Repository<Server>>,
    /// The API keys, whose names the history shows.
    pub api_keys: Arc<dyn Repository<ApiKey>>,
    /// Where the credentials are.
    pub vault: Arc<dyn Vault>,
    /// Where executions are recorded.
    pub executions: Arc<dyn Executions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Seals the cursors.
    pub cursor_key: CursorKey,
    /// The limits of every execution; sources, queries and callers narrow them.
    pub budget: Budget,
    /// What connectors may do.
    pub connectors: ConnectorConfig,
}

/// Runs statements on sources.
pub struct Engine {
    pub(crate) parts: EngineParts,
    pub(crate) pools: Pools,
    pub(crate) templates: Templates,
}

impl Engine {
    /// An engine with no session open yet.
    pub fn new(parts: EngineParts) -> Self {
        let pools = Pools::new(Arc::clone(&parts.vault), Arc::clone(&parts.clock), parts.connectors.clone());
        Self { parts, pools, templates: Templates::default() }
    }

    /// Closes every session.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// The deadline of a call with this budget that begins now.
    pub(crate) fn deadline(&self, budget: &Budget) -> Deadline {
        Deadline::after(self.parts.clock.instant(), std::time::Duration::from_millis(budget.time_ms))
    }
}
