//! A connector of any kind.

use std::sync::Arc;

use serde_json::Value as Json;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    result::{Column, RowSink},
    source::{Connection, Credentials},
};
use tidegate_statement::Statement;

#[cfg(feature = "mysql")]
use crate::mysql::MysqlConnector;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresConnector;
#[cfg(feature = "sqlite")]
use crate::sqlite::SqliteConnector;
use crate::{Connector, ConnectorConfig, ServerInfo};

/// A connector of any kind that was built in.
pub enum AnyConnector {
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PostgresConnector),
    /// MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    Mysql(MysqlConnector),
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteConnector),
}

macro_rules! each {
    ($any:expr, $connector:ident => $call:expr) => {
        match $any {
            #[cfg(feature = "postgres")]
            AnyConnector::Postgres($connector) => $call,
            #[cfg(feature = "mysql")]
            AnyConnector::Mysql($connector) => $call,
            #[cfg(feature = "sqlite")]
            AnyConnector::Sqlite($connector) => $call,
        }
    };
}

impl AnyConnector {
    /// The connector for a source. Nothing is opened yet; only settings are checked.
    pub fn new(
        connection: &Connection,
        #[cfg_attr(
            not(any(feature = "postgres", feature = "mysql")),
            expect(unused_variables, reason = "a file needs no credentials")
        )]
        credentials: Option<&Credentials>,
        #[cfg_attr(
            not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
            expect(unused_variables, reason = "nothing is built in that would be set")
        )]
        config: &ConnectorConfig,
    ) -> Result<Self> {
        match connection {
            #[cfg(feature = "postgres")]
            Connection::Postgres(endpoint) => PostgresConnector::new(endpoint, credentials, config).map(Self::Postgres),
            #[cfg(feature = "mysql")]
            Connection::Mysql(endpoint) => MysqlConnector::new(endpoint, credentials, config).map(Self::Mysql),
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(file) => SqliteConnector::new(file, config).map(Self::Sqlite),
            #[cfg(not(all(feature = "postgres", feature = "mysql", feature = "sqlite")))]
            other => Err(tidegate_core::Error::new(
                tidegate_core::ErrorCode::InvalidRequest,
                format!("sources of kind `{}` are not built into this binary", other.kind().as_str()),
            )),
        }
    }
}

impl Connector for AnyConnector {
    async fn test(&self, deadline: Deadline) -> Result<ServerInfo> {
        each!(self, connector => connector.test(deadline).await)
    }

    async fn privilege_warnings(&self, deadline: Deadline) -> Result<Vec<String>> {
        each!(self, connector => connector.privilege_warnings(deadline).await)
    }

    async fn describe(&self, statement: &Statement, deadline: Deadline) -> Result<Vec<Column>> {
        each!(self, connector => connector.describe(statement, deadline).await)
    }

    async fn explain(&self, statement: &Statement, deadline: Deadline) -> Result<Json> {
        each!(self, connector => connector.explain(statement, deadline).await)
    }

    async fn run<S: RowSink + 'static>(
        &self,
        statement: Arc<Statement>,
        deadline: Deadline,
        sink: S,
    ) -> (S, Result<()>) {
        each!(self, connector => connector.run(statement, deadline, sink).await)
    }

    async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>> {
        each!(self, connector => connector.schemas(deadline).await)
    }

    async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        each!(self, connector => connector.tables(schema, deadline).await)
    }

    async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail> {
        each!(self, connector => connector.table(schema, table, deadline).await)
    }

    async fn close(&self) {
        each!(self, connector => connector.close().await);
    }
}
