//! What a source contains.

use std::num::NonZeroU64;

use tidegate_connectors::{Connector, ServerInfo};
use tidegate_core::{
    ErrorCode, Result,
    budget::Limits,
    catalog::{Schema, Table, TableDetail},
    policy::{Permit, ReadCatalog},
    source::Source,
};

use crate::Engine;

/// How long the look at the privileges of a login may take: whoever registers a source waits for it.
const PROBE_MS: u64 = 5_000;

impl Engine {
    /// Opens a session to a source and asks it who it is.
    pub async fn test(&self, permit: &Permit<ReadCatalog>) -> Result<ServerInfo> {
        let source = &permit.action().source;
        self.pools.get(source).await?.test(self.catalog_deadline(source)).await
    }

    /// What the login of a source may do beyond reading. A source out of reach says so in their place: it is registered
    /// all the same. `InvalidRequest` when its settings can never work.
    pub async fn privilege_warnings(&self, source: &Source) -> Result<Vec<String>> {
        let limits = Limits { time_ms: NonZeroU64::new(PROBE_MS), ..source.limits };
        let deadline = self.deadline(&self.parts.budget.narrowed(&limits));
        // The source is not stored yet, and may never be at this version: a pool would keep what was never true.
        let warnings = match self.pools.open(source).await {
            Ok(connector) => {
                let warnings = connector.privilege_warnings(deadline).await;
                connector.close().await;
                warnings
            }
            Err(error) => Err(error),
        };
        match warnings {
            Err(error) if error.code() != ErrorCode::InvalidRequest => {
                Ok(vec![format!("the privileges of the login are not known: {}", error.message())])
            }
            known => known,
        }
    }

    /// The schemas of a source.
    pub async fn schemas(&self, permit: &Permit<ReadCatalog>) -> Result<Vec<Schema>> {
        let source = &permit.action().source;
        self.pools.get(source).await?.schemas(self.catalog_deadline(source)).await
    }

    /// The tables of a schema.
    pub async fn tables(&self, permit: &Permit<ReadCatalog>, schema: &str) -> Result<Vec<Table>> {
        let source = &permit.action().source;
        self.pools.get(source).await?.tables(schema, self.catalog_deadline(source)).await
    }

    /// One table.
    pub async fn table(&self, permit: &Permit<ReadCatalog>, schema: &str, table: &str) -> Result<TableDetail> {
        let source = &permit.action().source;
        self.pools.get(source).await?.table(schema, table, self.catalog_deadline(source)).await
    }

    fn catalog_deadline(&self, source: &Source) -> tidegate_core::deadline::Deadline {
        self.deadline(&self.parts.budget.narrowed(&source.limits))
    }
}
