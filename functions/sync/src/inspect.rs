//! How tasks look at a source.

use async_trait::async_trait;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    source::Source,
};
use tidegate_engine::{Engine, inspection::Inspection};

/// Looks at sources.
#[async_trait]
pub trait Inspector: Send + Sync {
    /// Begins to look at a source.
    async fn inspect(&self, source: &Source) -> Result<Box<dyn Inspect>>;
}

/// A source that is looked at. The errors are those of its connector.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// Connects.
    async fn test(&self, deadline: Deadline) -> Result<()>;

    /// The schemas.
    async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>>;

    /// The tables of a schema.
    async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>>;

    /// One table.
    async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail>;

    /// Ends the look.
    async fn close(&self);
}

#[async_trait]
impl Inspector for Engine {
    async fn inspect(&self, source: &Source) -> Result<Box<dyn Inspect>> {
        Ok(Box::new(Self::inspect(self, source).await?))
    }
}

#[async_trait]
impl Inspect for Inspection {
    async fn test(&self, deadline: Deadline) -> Result<()> {
        self.test(deadline).await
    }

    async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>> {
        self.schemas(deadline).await
    }

    async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        self.tables(schema, deadline).await
    }

    async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail> {
        self.table(schema, table, deadline).await
    }

    async fn close(&self) {
        self.close().await;
    }
}
