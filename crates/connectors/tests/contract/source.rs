//! A source of each kind, and a sink that records.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use test_servers::Server;
use tidegate_connectors::{AnyConnector, Connector, ConnectorConfig};
use tidegate_core::{
    Result,
    deadline::Deadline,
    network::SourceNetworks,
    result::{Column, Flow, RowSink},
    source::{Connection, Credentials, Endpoint, SqliteFile, Tls, TlsMode},
    value::Cell,
};
use tidegate_statement::{Dialect, Statement};
use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
    MySql,
    Sqlite,
}

impl Kind {
    /// The server, unless it is a file.
    pub(crate) fn server(self) -> &'static Server {
        match self {
            Self::Postgres => test_servers::postgres(),
            Self::MariaDb => test_servers::mariadb(),
            Self::MySql => test_servers::mysql(),
            Self::Sqlite => panic!("a file has no server"),
        }
    }

    pub(crate) fn statement(self, text: &str) -> Arc<Statement> {
        let dialect = match self {
            Self::Postgres => Dialect::Postgres,
            Self::MariaDb | Self::MySql => Dialect::Mysql,
            Self::Sqlite => Dialect::Sqlite,
        };
        Arc::new(Statement::raw(text, dialect).unwrap())
    }

    /// A connector with one session, to a server at this port.
    pub(crate) fn connector_through(self, port: u16) -> AnyConnector {
        let server = self.server();
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: Some(port),
            database: server.database.clone(),
            user: server.user.clone(),
            tls: Tls { mode: TlsMode::Off, ca: None },
            max_sessions: 1,
        };
        let connection =
            if self == Self::Postgres { Connection::Postgres(endpoint) } else { Connection::Mysql(endpoint) };
        let credentials = Credentials { password: server.password.clone().into() };
        let config = ConnectorConfig { networks: SourceNetworks::everywhere(), ..ConnectorConfig::default() };
        AnyConnector::new(&connection, Some(&credentials), &config).unwrap()
    }

    /// A connector with one session, to the server itself or a file in the folder.
    pub(crate) fn connector(self, folder: &TempDir) -> AnyConnector {
        if self != Self::Sqlite {
            return self.connector_through(self.server().port);
        }
        rusqlite::Connection::open(folder.path().join("data.sqlite"))
            .unwrap()
            .execute_batch("CREATE TABLE t (a)")
            .unwrap();
        let config = ConnectorConfig { sqlite_root: folder.path().to_owned(), ..ConnectorConfig::default() };
        let file = SqliteFile { path: "data.sqlite".into(), max_sessions: 1 };
        AnyConnector::new(&Connection::Sqlite(file), None, &config).unwrap()
    }

    /// Makes an empty table.
    pub(crate) async fn make_table(self, name: &str) {
        let connector = self.connector_through(self.server().port);
        for text in [format!("DROP TABLE IF EXISTS {name}"), format!("CREATE TABLE {name} (id int)")] {
            self.run(&connector, &text, soon()).await.1.unwrap();
        }
    }

    pub(crate) async fn run(self, connector: &AnyConnector, text: &str, deadline: Deadline) -> (Recorder, Result<()>) {
        connector.run(self.statement(text), deadline, Recorder::default()).await
    }

    /// Waits until the table has one row.
    pub(crate) async fn await_row(self, table: &str) {
        let connector = self.connector_through(self.server().port);
        let give_up = Instant::now() + Duration::from_secs(10);
        loop {
            let (recorder, counted) = self.run(&connector, &format!("SELECT count(*) FROM {table}"), soon()).await;
            counted.unwrap();
            if recorder.cells == ["Integer(1)"] {
                return;
            }
            assert!(Instant::now() < give_up, "{table} has {:?} rows", recorder.cells);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) fn soon() -> Deadline {
    after(30_000)
}

pub(crate) fn after(milliseconds: u64) -> Deadline {
    Deadline::after(Instant::now(), Duration::from_millis(milliseconds))
}

/// Computes for hours.
pub(crate) const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
    SELECT count(*) FROM n a, n b, n c, n d WHERE a.i + b.i + c.i + d.i < 0";

/// Keeps the cells in their debug form.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) cells: Vec<String>,
    /// Told when the statement is about to be sent.
    pub(crate) ready: Option<Arc<Notify>>,
    /// Told when it is asked to drain, which then takes for ever, as for a reader who reads no more.
    pub(crate) stuck: Option<Arc<Notify>>,
}

#[async_trait::async_trait]
impl RowSink for Recorder {
    fn session_ready(&mut self) {
        if let Some(ready) = &self.ready {
            ready.notify_one();
        }
    }

    fn byte_budget(&self) -> u64 {
        1 << 20
    }

    fn columns(&mut self, _: Vec<Column>) -> Result<()> {
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) {
        self.cells.push(format!("{cell:?}"));
    }

    fn end_row(&mut self) -> Flow {
        ControlFlow::Continue(())
    }

    fn wants_drain(&self) -> bool {
        self.stuck.is_some()
    }

    async fn drain(&mut self) -> Flow {
        if let Some(stuck) = &self.stuck {
            stuck.notify_one();
        }
        std::future::pending().await
    }
}
