//! A file with tables, a connector for it, and a sink that records what it is given.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tempfile::TempDir;
use tidegate_connectors::{Connector, ConnectorConfig, sqlite::SqliteConnector};
use tidegate_core::{
    Result,
    deadline::Deadline,
    result::{Column, Flow, RowSink},
    source::SqliteFile,
    value::Cell,
};
use tidegate_statement::{Dialect, Statement};
use tokio::sync::Notify;

/// Never ends, and takes no memory.
pub(crate) const ENDLESS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// Gives rows for as long as they are taken.
pub(crate) const ENDLESS_ROWS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) connector: SqliteConnector,
}

impl Fixture {
    pub(crate) fn new(schema: &str) -> Self {
        Self::with_sessions(schema, 4)
    }

    pub(crate) fn with_sessions(schema: &str, max_sessions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("data.sqlite")).unwrap().execute_batch(schema).unwrap();
        let connector = connector(&folder, "data.sqlite", max_sessions);
        Self { folder, connector }
    }

    pub(crate) fn direct(&self) -> Connection {
        Connection::open(self.folder.path().join("data.sqlite")).unwrap()
    }

    pub(crate) async fn run(&self, text: &str) -> Result<Recorder> {
        let (recorder, result) = self.connector.run(statement(text), soon(), Recorder::default()).await;
        result.map(|()| recorder)
    }

    /// The first row, each cell in its debug form.
    pub(crate) async fn row(&self, text: &str) -> Vec<String> {
        self.run(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}")).rows.into_iter().next().unwrap()
    }
}

pub(crate) fn connector(folder: &TempDir, path: &str, max_sessions: u32) -> SqliteConnector {
    let config =
        ConnectorConfig { sqlite_root: folder.path().to_owned(), sqlite_confined: true, ..ConnectorConfig::default() };
    SqliteConnector::new(&SqliteFile { path: path.into(), max_sessions }, &config).unwrap()
}

pub(crate) fn statement(text: &str) -> Arc<Statement> {
    Arc::new(Statement::raw(text, Dialect::Sqlite).unwrap())
}

pub(crate) fn soon() -> Deadline {
    after(20_000)
}

pub(crate) fn after(milliseconds: u64) -> Deadline {
    Deadline::after(Instant::now(), Duration::from_millis(milliseconds))
}

/// What a recorder does when it is asked to drain.
#[derive(Default)]
pub(crate) enum Drain {
    #[default]
    Never,
    /// Tells that it has rows, and then waits for ever, as for a reader who reads no more.
    Stuck(Arc<Notify>),
    /// The reader has gone.
    Gone,
}

#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) affected: Option<u64>,
    /// Stops after so many rows.
    pub(crate) most_rows: Option<usize>,
    pub(crate) drain: Drain,
    pub(crate) under_way: Vec<String>,
}

#[async_trait::async_trait]
impl RowSink for Recorder {
    fn byte_budget(&self) -> u64 {
        1 << 20
    }

    fn columns(&mut self, columns: Vec<Column>) -> Result<()> {
        assert!(self.columns.is_empty() && self.rows.is_empty(), "columns come once and first");
        self.columns = columns;
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) {
        self.under_way.push(format!("{cell:?}"));
    }

    fn end_row(&mut self) -> Flow {
        assert_eq!(self.under_way.len(), self.columns.len());
        self.rows.push(std::mem::take(&mut self.under_way));
        if self.most_rows == Some(self.rows.len()) { Flow::Break(()) } else { Flow::Continue(()) }
    }

    fn wants_drain(&self) -> bool {
        !matches!(self.drain, Drain::Never)
    }

    async fn drain(&mut self) -> Flow {
        if let Drain::Stuck(stuck) = &self.drain {
            stuck.notify_one();
            std::future::pending().await
        }
        Flow::Break(())
    }

    fn affected(&mut self, rows: u64) {
        self.affected = Some(rows);
    }
}
