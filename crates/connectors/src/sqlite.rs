//! SQLite files.
//!
//! Each call runs on a thread that may block, with a session of its own. `lock.rs` says what keeps a reading session
//! from writing, `functions.rs` which of SQLite's functions are replaced, `bind.rs` and `decode.rs` how values travel.

mod bind;
mod call;
mod catalog;
mod connect;
mod decode;
mod error;
mod explain;
mod functions;
mod lent;
mod location;
mod lock;
mod run;
mod types;

use std::sync::Arc;

use serde_json::Value as Json;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    result::{Column, RowSink},
    source::SqliteFile,
};
use tidegate_statement::{Class, Statement};
use tokio::{
    runtime::Handle,
    sync::OwnedSemaphorePermit,
    task::{self, JoinHandle},
};

use crate::{
    Connector, ConnectorConfig, ServerInfo,
    bounds::{self, GRACE},
};
use call::{AbandonOnDrop, Call};
use connect::{Pool, Session};
use lent::Lent;
use lock::Access;

/// One SQLite file.
///
/// The file is opened anew when another one took its name. It is never created.
pub struct SqliteConnector {
    pool: Arc<Pool>,
}

impl SqliteConnector {
    /// A connector for a file, which is not opened yet. Fails with `InvalidRequest` when its path is empty or leads
    /// out of the folder that the configuration confines files to.
    pub fn new(file: &SqliteFile, config: &ConnectorConfig) -> Result<Self> {
        Ok(Self { pool: Arc::new(Pool::new(file, config)?) })
    }

    async fn with_session<T: Send + 'static>(
        &self,
        access: Access,
        deadline: Deadline,
        work: impl FnOnce(&Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.pool.permit(deadline).await?;
        self.on_thread(permit, deadline, move |pool, call| pool.with_session(access, call, work)).await
    }

    /// Runs a job on a thread that may block. The job is told to stop when the deadline passes, the pool is closed or the
    /// future is dropped, and holds its permit until it has stopped. One that does not stop soon is not waited for.
    async fn on_thread<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        deadline: Deadline,
        job: impl FnOnce(&Pool, &Arc<Call>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let pool = Arc::clone(&self.pool);
        let call = pool.call(deadline);
        let abandon = AbandonOnDrop(Arc::clone(&call));
        let running = task::spawn_blocking(move || {
            let outcome = job(&pool, &call);
            drop(permit);
            outcome
        });
        // The thread gets a moment to notice the deadline by itself.
        let ended = self.pool.closing().within(deadline.instant() + GRACE, async { Ok(outcome(running).await) });
        match ended.await {
            Ok(outcome) => outcome,
            Err(error) if abandon.0.abandon() => Err(error),
            Err(error) => Err(bounds::of_commit(error)),
        }
    }
}

/// What a blocking task gave back. Its panic goes on here, for it is a fault of this program.
async fn outcome<T>(running: JoinHandle<T>) -> T {
    match running.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

fn access(statement: &Statement) -> Access {
    if statement.class() == Class::Read { Access::Read } else { Access::Write }
}

impl Connector for SqliteConnector {
    async fn test(&self, deadline: Deadline) -> Result<ServerInfo> {
        self.with_session(Access::Read, deadline, |session| {
            let reads_the_file = "SELECT sqlite_version(), (SELECT count(*) FROM sqlite_schema)";
            let version = session.own(|connection| connection.query_row(reads_the_file, [], |row| row.get(0)))?;
            Ok(ServerInfo { product: "SQLite".into(), version })
        })
        .await
    }

    async fn privilege_warnings(&self, _deadline: Deadline) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn describe(&self, statement: &Statement, deadline: Deadline) -> Result<Vec<Column>> {
        let text = statement.text().to_owned();
        self.with_session(access(statement), deadline, move |session| {
            run::prepare(session, &text).map(|prepared| types::columns(&prepared))
        })
        .await
    }

    async fn explain(&self, statement: &Statement, deadline: Deadline) -> Result<Json> {
        let (text, binds) = (statement.text().to_owned(), statement.binds().to_vec());
        self.with_session(access(statement), deadline, move |session| explain::explain(session, &text, &binds)).await
    }

    async fn run<S: RowSink + 'static>(
        &self,
        statement: Arc<Statement>,
        deadline: Deadline,
        sink: S,
    ) -> (S, Result<()>) {
        let permit = match self.pool.permit(deadline).await {
            Ok(permit) => permit,
            Err(error) => return (sink, Err(error)),
        };
        let runtime = Handle::current();
        let lent = Lent::new(sink);
        let sink = lent.clone();
        let job = move |pool: &Pool, call: &Arc<Call>| {
            pool.with_session(access(&statement), call, |session| {
                sink.with(|sink| {
                    session.limit_length(sink.byte_budget()).map_err(error::running)?;
                    sink.session_ready();
                    Ok(())
                })?;
                run::run(session, statement.text(), statement.binds(), &sink, call, &runtime)
            })
        };
        let result = self.on_thread(permit, deadline, job).await;
        match lent.take_back().await {
            Some(sink) => (sink, result),
            // Nobody else takes it back.
            None => std::future::pending().await,
        }
    }

    async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>> {
        self.with_session(Access::Read, deadline, |_| Ok(catalog::schemas())).await
    }

    async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        let schema = schema.to_owned();
        self.with_session(Access::Read, deadline, move |session| catalog::tables(session, &schema)).await
    }

    async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail> {
        let (schema, table) = (schema.to_owned(), table.to_owned());
        self.with_session(Access::Read, deadline, move |session| catalog::table(session, &schema, &table)).await
    }

    async fn close(&self) {
        self.pool.close();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, mpsc},
        time::{Duration, Instant},
    };

    use tempfile::TempDir;
    use tidegate_core::{ErrorCode, result::Flow, value::Cell};
    use tidegate_statement::Dialect;

    use super::*;

    /// Keeps the last cell.
    #[derive(Default)]
    struct Last(String);

    #[async_trait::async_trait]
    impl RowSink for Last {
        fn columns(&mut self, _: Vec<Column>) -> Result<()> {
            Ok(())
        }

        fn cell(&mut self, cell: Cell<'_>) {
            self.0 = format!("{cell:?}");
        }

        fn end_row(&mut self) -> Flow {
            Flow::Continue(())
        }
    }

    fn connector(folder: &TempDir) -> SqliteConnector {
        rusqlite::Connection::open(folder.path().join("t")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let config = ConnectorConfig { sqlite_root: folder.path().to_owned(), ..ConnectorConfig::default() };
        SqliteConnector::new(&SqliteFile { path: "t".into(), max_sessions: 1 }, &config).unwrap()
    }

    async fn run(connector: &SqliteConnector, text: &str, milliseconds: u64) -> Result<String> {
        let statement = Arc::new(Statement::raw(text, Dialect::Sqlite).unwrap());
        let deadline = Deadline::after(Instant::now(), Duration::from_millis(milliseconds));
        let (last, ran) = connector.run(statement, deadline, Last::default()).await;
        ran.map(|()| last.0)
    }

    #[tokio::test]
    async fn a_commit_that_takes_too_long_is_not_said_to_have_failed() {
        let folder = tempfile::tempdir().unwrap();
        let connector = connector(&folder);
        let (begun, on_begun) = mpsc::channel();
        let (go_on, on_go_on) = mpsc::channel::<()>();
        let on_go_on = Mutex::new(on_go_on);
        let deadline = Deadline::after(Instant::now(), Duration::from_secs(20));
        let hooked = connector.with_session(Access::Write, deadline, |session| {
            session.connection().commit_hook(Some(move || {
                begun.send(()).unwrap();
                on_go_on.lock().unwrap().recv().unwrap();
                false
            }));
            Ok(())
        });
        hooked.await.unwrap();

        let error = run(&connector, "INSERT INTO t VALUES (1)", 300).await.unwrap_err();
        on_begun.try_recv().expect("it commits");
        assert_eq!(error.code(), ErrorCode::Timeout);
        assert!(error.message().starts_with("the answer to the commit did not come"), "{error}");
        go_on.send(()).unwrap();
        assert_eq!(run(&connector, "SELECT count(*) FROM t", 20_000).await.unwrap(), "Integer(1)");
    }
}
