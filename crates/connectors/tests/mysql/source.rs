//! A source for a test, and a sink that records what it was sent.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use test_servers::Server;
use tidegate_connectors::{Connector, ConnectorConfig, mysql::MysqlConnector};
use tidegate_core::{
    Result,
    deadline::Deadline,
    network::SourceNetworks,
    result::{Column, Flow, RowSink},
    source::{Credentials, Endpoint, Tls, TlsMode},
    value::Cell,
};
use tidegate_statement::{Dialect, Statement};

/// Servers of tests are on this machine.
pub(crate) fn anywhere() -> ConnectorConfig {
    ConnectorConfig { networks: SourceNetworks::everywhere(), ..ConnectorConfig::default() }
}

/// The products that speak this protocol. A test says `#[values(MariaDb, MySql)]` and runs on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    MariaDb,
    MySql,
}

impl Product {
    pub(crate) fn server(self) -> &'static Server {
        match self {
            Self::MariaDb => test_servers::mariadb(),
            Self::MySql => test_servers::mysql(),
        }
    }

    /// Where the server is. `database` has to begin with `tidegate`.
    pub(crate) fn endpoint(self, database: &str) -> Endpoint {
        let server = self.server();
        Endpoint {
            host: server.host.clone(),
            port: Some(server.port),
            database: database.to_owned(),
            user: server.user.clone(),
            tls: Tls { mode: TlsMode::Off, ca: None },
            max_sessions: 2,
        }
    }

    pub(crate) fn credentials(self) -> Credentials {
        Credentials { password: self.server().password.clone().into() }
    }

    pub(crate) fn connector(self) -> MysqlConnector {
        MysqlConnector::new(&self.endpoint(&self.server().database), Some(&self.credentials()), &anywhere()).unwrap()
    }

    pub(crate) fn connector_with_one_session(self) -> MysqlConnector {
        let endpoint = Endpoint { max_sessions: 1, ..self.endpoint(&self.server().database) };
        MysqlConnector::new(&endpoint, Some(&self.credentials()), &anywhere()).unwrap()
    }

    /// Runs statements that prepare a test, several at once, beside the connector.
    pub(crate) async fn set_up(self, text: &str) {
        let mut connection = MySqlConnection::connect(&self.server().admin_url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }

    /// Waits until the server runs as many statements whose text holds `marker`.
    pub(crate) async fn await_running(self, marker: &str, count: u64) {
        let observer = self.connector();
        let query = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{marker}%' AND id <> CONNECTION_ID()"
        );
        let give_up = Instant::now() + Duration::from_secs(10);
        while single(&observer, &query).await != format!("Integer({count})") {
            assert!(Instant::now() < give_up, "not {count} statements with {marker}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Begins a statement that selects from `n`, which has the numbers `i` from 1 to 1000.
pub(crate) const NUMBERS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)";

pub(crate) fn deadline() -> Deadline {
    deadline_in(Duration::from_secs(30))
}

pub(crate) fn deadline_in(time: Duration) -> Deadline {
    Deadline::after(Instant::now(), time)
}

pub(crate) fn statement(text: &str) -> Arc<Statement> {
    Arc::new(Statement::raw(text, Dialect::Mysql).unwrap())
}

/// What a statement gave; cells as their debug text.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) columns: Option<Vec<Column>>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) affected: Option<u64>,
    row: Vec<String>,
    enough: Option<usize>,
}

impl Recording {
    /// Has enough after so many rows.
    pub(crate) fn of_rows(enough: usize) -> Self {
        Self { enough: Some(enough), ..Self::default() }
    }
}

#[async_trait::async_trait]
impl RowSink for Recording {
    fn columns(&mut self, columns: Vec<Column>) -> Result<()> {
        assert!(self.columns.replace(columns).is_none(), "the columns were announced twice");
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) {
        self.row.push(format!("{cell:?}"));
    }

    fn end_row(&mut self) -> Flow {
        self.rows.push(std::mem::take(&mut self.row));
        assert!(self.enough.is_none_or(|enough| self.rows.len() <= enough), "a row after the sink had enough");
        if self.enough == Some(self.rows.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn affected(&mut self, rows: u64) {
        self.affected = Some(rows);
    }
}

/// Runs a statement that has to succeed.
pub(crate) async fn run(connector: &MysqlConnector, text: &str) -> Recording {
    let (recording, ran) = connector.run(statement(text), deadline(), Recording::default()).await;
    ran.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    recording
}

/// The only cell of the result of a statement.
pub(crate) async fn single(connector: &MysqlConnector, text: &str) -> String {
    let recording = run(connector, text).await;
    assert_eq!((recording.rows.len(), recording.rows[0].len()), (1, 1), "{text}");
    recording.rows[0][0].clone()
}
