//! What a source contains.

use tidegate_connectors::{Connector, ServerInfo};
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    policy::{Permit, ReadCatalog},
    source::Source,
};

use crate::Engine;

impl Engine {
    /// Opens a session to a source and asks it who it is.
    pub async fn test(&self, permit: &Permit<ReadCatalog>) -> Result<ServerInfo> {
        let source = &permit.action().source;
        self.pools.get(source).await?.test(self.catalog_deadline(source)).await
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
