//! A connector, a sink that records, and an administrator's connection beside them.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use sqlx::{Connection, PgConnection};
use tidegate_connectors::{Connector, ConnectorConfig, postgres::PostgresConnector};
use tidegate_core::{
    Result,
    deadline::Deadline,
    network::SourceNetworks,
    result::{Column, Flow, RowSink},
    source::{Credentials, Endpoint, Tls, TlsMode},
    value::Cell,
};
use tidegate_statement::{Dialect, Statement};

pub(crate) fn endpoint() -> Endpoint {
    let server = test_servers::postgres();
    Endpoint {
        host: server.host.clone(),
        port: Some(server.port),
        database: server.database.clone(),
        user: server.user.clone(),
        tls: Tls { mode: TlsMode::Off, ca: None },
        max_sessions: 4,
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials { password: test_servers::postgres().password.clone().into() }
}

/// Servers of tests are on this machine.
pub(crate) fn anywhere() -> ConnectorConfig {
    ConnectorConfig { networks: SourceNetworks::everywhere(), ..ConnectorConfig::default() }
}

pub(crate) fn connector() -> PostgresConnector {
    PostgresConnector::new(&endpoint(), Some(&credentials()), &anywhere()).unwrap()
}

/// A connector with one session, so that each statement gets the session of the one before.
pub(crate) fn single_session() -> PostgresConnector {
    PostgresConnector::new(&Endpoint { max_sessions: 1, ..endpoint() }, Some(&credentials()), &anywhere()).unwrap()
}

pub(crate) fn soon() -> Deadline {
    within(Duration::from_secs(30))
}

pub(crate) fn within(time: Duration) -> Deadline {
    Deadline::after(Instant::now(), time)
}

pub(crate) fn statement(text: &str) -> Arc<Statement> {
    Arc::new(Statement::raw(text, Dialect::Postgres).unwrap())
}

/// The user's own connection, to prepare what a test reads and to look at what it did.
pub(crate) async fn beside() -> PgConnection {
    PgConnection::connect(&test_servers::postgres().url()).await.unwrap()
}

/// The administrator's connection.
pub(crate) async fn as_admin() -> PgConnection {
    PgConnection::connect(&test_servers::postgres().admin_url()).await.unwrap()
}

/// Runs statements that prepare a test. They are the test's own, so that any text will do.
pub(crate) async fn execute(connection: &mut PgConnection, script: &'static str) {
    sqlx::raw_sql(script).execute(connection).await.unwrap();
}

/// Keeps what it is sent, up to a number of rows.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) columns: Option<Vec<Column>>,
    pub(crate) rows: Vec<Vec<Json>>,
    pub(crate) affected: Option<u64>,
    most_rows: Option<usize>,
    row: Vec<Json>,
}

impl Recorder {
    /// A sink whose budget is that many rows.
    pub(crate) fn of_rows(most_rows: usize) -> Self {
        Self { most_rows: Some(most_rows), ..Self::default() }
    }
}

#[async_trait]
impl RowSink for Recorder {
    fn columns(&mut self, columns: Vec<Column>) -> Result<()> {
        assert!(self.columns.replace(columns).is_none(), "the columns are announced once");
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) {
        self.row.push(written(cell));
    }

    fn end_row(&mut self) -> Flow {
        assert_eq!(Some(self.row.len()), self.columns.as_ref().map(Vec::len), "each column has its cell");
        self.rows.push(std::mem::take(&mut self.row));
        match self.most_rows {
            Some(most) if self.rows.len() >= most => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn affected(&mut self, rows: u64) {
        self.affected = Some(rows);
    }
}

/// A cell as an object of its variant and its value, so that no test takes a number for its text.
fn written(cell: Cell<'_>) -> Json {
    match cell {
        Cell::Null => json!(null),
        Cell::Boolean(value) => json!(value),
        Cell::Integer(value) => json!(value),
        Cell::Unsigned(value) => json!({ "unsigned": value }),
        Cell::Float(value) => json!({ "float": value.to_string() }),
        Cell::Decimal(text) => json!({ "decimal": text }),
        Cell::Text(text) => json!(text),
        Cell::Json(text) => json!({ "json": text }),
        Cell::Bytes(bytes) => json!({ "bytes": bytes }),
    }
}

pub(crate) async fn run(connector: &PostgresConnector, text: &str) -> (Recorder, Result<()>) {
    connector.run(statement(text), soon(), Recorder::default()).await
}

/// The rows of a statement that has to succeed.
pub(crate) async fn rows(connector: &PostgresConnector, text: &str) -> Vec<Vec<Json>> {
    let (recorder, result) = run(connector, text).await;
    result.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    recorder.rows
}

/// Waits until a condition holds. It is asked again and again, for thirty seconds at most.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}, but not within 30 seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
