//! A look at a source by the deployment itself, when no principal asks.

use std::sync::Arc;

use tidegate_connectors::Connector;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    source::Source,
};

use crate::{Engine, pools::SourceConnector};

/// A source that is looked at. It has a connector of its own, so that a look finds out whether a connection can be made,
/// takes no session away from calls, and leaves none open. It runs no statement of anybody.
///
/// Close it when the look is over.
pub struct Inspection(Arc<SourceConnector>);

impl Engine {
    /// Looks at a source. Nothing is opened yet; its credentials are fetched.
    pub async fn inspect(&self, source: &Source) -> Result<Inspection> {
        Ok(Inspection(self.pools.open(source).await?))
    }
}

impl Inspection {
    /// Opens a session and asks the source who it is.
    pub async fn test(&self, deadline: Deadline) -> Result<()> {
        self.0.test(deadline).await.map(drop)
    }

    /// The schemas of the source.
    pub async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>> {
        self.0.schemas(deadline).await
    }

    /// The tables of a schema.
    pub async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        self.0.tables(schema, deadline).await
    }

    /// One table.
    pub async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail> {
        self.0.table(schema, table, deadline).await
    }

    /// Closes every session.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
