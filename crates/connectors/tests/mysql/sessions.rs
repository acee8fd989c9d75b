//! Sessions are shared, bounded, stopped and never given on in a bad state.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use rstest::rstest;
use tidegate_connectors::Connector;
use tidegate_core::{
    ErrorCode, Result,
    result::{Column, Flow, RowSink},
    value::Cell,
};
use tokio::sync::mpsc;

use crate::source::{
    NUMBERS,
    Product::{self, MariaDb, MySql},
    Recording, deadline, deadline_in, run, single, statement,
};

/// A statement that would run for hours. The marker finds it in the list of what the server does.
fn endless(marker: &str) -> String {
    format!("{NUMBERS} SELECT COUNT(*) AS {marker} FROM n a, n b, n c, n d WHERE a.i + b.i + c.i + d.i < 0")
}

#[rstest]
#[tokio::test]
async fn sessions_are_used_again_after_reads_and_writes(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    on.set_up("DROP TABLE IF EXISTS reused; CREATE TABLE reused (id int)").await;
    let id = single(&connector, "SELECT CONNECTION_ID()").await;
    run(&connector, "INSERT INTO reused VALUES (1)").await;
    assert_eq!(single(&connector, "SELECT CONNECTION_ID()").await, id);
}

#[rstest]
#[tokio::test]
async fn what_a_statement_sets_in_its_session_is_not_seen_by_the_next(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    run(&connector, "SET group_concat_max_len = 1234").await;
    assert_ne!(single(&connector, "SELECT @@SESSION.group_concat_max_len").await, "Unsigned(1234)");
    run(&connector, "CREATE TEMPORARY TABLE passing (id int)").await;
    let (_, ran) = connector.run(statement("SELECT * FROM passing"), deadline(), Recording::default()).await;
    assert_eq!(ran.unwrap_err().sqlstate(), Some("42S02"));
}

#[rstest]
#[tokio::test]
async fn locks_that_a_statement_took_by_name_are_released(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    on.set_up(
        "DROP TABLE IF EXISTS locking; CREATE TABLE locking (id int); \
         DROP FUNCTION IF EXISTS take_lock; CREATE FUNCTION take_lock() RETURNS int READS SQL DATA \
         RETURN GET_LOCK('taken', 0)",
    )
    .await;
    for text in ["SELECT take_lock()", "INSERT INTO locking VALUES (take_lock())"] {
        run(&connector, text).await;
        assert_eq!(single(&connector, "SELECT IS_USED_LOCK('taken')").await, "Null", "{text}");
    }
}

#[rstest]
#[tokio::test]
async fn a_statement_that_an_administrator_stops_has_not_run_out_of_time(#[values(MariaDb, MySql)] on: Product) {
    let connector = Arc::new(on.connector_with_one_session());
    let id = single(&connector, "SELECT CONNECTION_ID()").await;
    let call = tokio::spawn({
        let connector = Arc::clone(&connector);
        async move { connector.run(statement(&endless("interrupted")), deadline(), Recording::default()).await.1 }
    });
    on.await_running("interrupted", 1).await;
    on.set_up(&format!("KILL QUERY {}", number(&id))).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("70100")));
    assert!(error.message().contains("stopped on the database server"), "{error}");
    assert_eq!(single(&connector, "SELECT CONNECTION_ID()").await, id);
}

#[rstest]
#[tokio::test]
async fn a_statement_ends_at_the_deadline_also_on_the_server(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    let started = Instant::now();
    let at = deadline_in(Duration::from_millis(400));
    let (_, ran) = connector.run(statement(&endless("at_deadline")), at, Recording::default()).await;
    assert_eq!(ran.unwrap_err().code(), ErrorCode::Timeout);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    on.await_running("at_deadline", 0).await;
    assert_eq!(single(&connector, "SELECT 1").await, "Integer(1)");
}

/// MySQL's own limit is for statements that select.
#[rstest]
#[tokio::test]
async fn a_write_that_outlives_its_deadline_is_stopped_and_leaves_nothing(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    on.set_up("DROP TABLE IF EXISTS slow; CREATE TABLE slow (id bigint)").await;
    let write = format!("INSERT INTO slow {}", endless("slow_write"));
    let (_, ran) =
        connector.run(statement(&write), deadline_in(Duration::from_millis(400)), Recording::default()).await;
    assert_eq!(ran.unwrap_err().code(), ErrorCode::Timeout);
    on.await_running("slow_write", 0).await;
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM slow").await, "Integer(0)");
}

#[rstest]
#[tokio::test]
async fn a_call_that_is_given_up_stops_its_statement_and_its_session_is_not_used_again(
    #[values(MariaDb, MySql)] on: Product,
) {
    let connector = Arc::new(on.connector_with_one_session());
    let id = single(&connector, "SELECT CONNECTION_ID()").await;
    let call = tokio::spawn({
        let connector = Arc::clone(&connector);
        async move { connector.run(statement(&endless("given_up")), deadline(), Recording::default()).await }
    });
    on.await_running("given_up", 1).await;
    call.abort();
    on.await_running("given_up", 0).await;
    assert_ne!(single(&connector, "SELECT CONNECTION_ID()").await, id);
}

#[rstest]
#[tokio::test]
async fn a_sink_that_has_enough_ends_a_large_result_at_once(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    let started = Instant::now();
    let large = statement(&format!("{NUMBERS} SELECT a.i AS stopped_early, REPEAT('x', 200) FROM n a, n b, n c"));
    let (recording, ran) = connector.run(large, deadline(), Recording::of_rows(10)).await;
    ran.unwrap();
    assert_eq!(recording.rows.len(), 10);
    assert_eq!(single(&connector, "SELECT 1").await, "Integer(1)");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    on.await_running("stopped_early", 0).await;
}

#[rstest]
#[tokio::test]
async fn a_result_that_ends_soon_after_the_sink_had_enough_keeps_its_session(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    let id = single(&connector, "SELECT CONNECTION_ID()").await;
    let (_, ran) = connector
        .run(statement(&format!("{NUMBERS} SELECT i FROM n LIMIT 20")), deadline(), Recording::of_rows(10))
        .await;
    ran.unwrap();
    assert_eq!(single(&connector, "SELECT CONNECTION_ID()").await, id);
}

#[rstest]
#[tokio::test]
async fn waiting_for_a_busy_session_ends_at_the_deadline(#[values(MariaDb, MySql)] on: Product) {
    let connector = Arc::new(on.connector_with_one_session());
    let busy = tokio::spawn({
        let connector = Arc::clone(&connector);
        async move { connector.run(statement(&endless("busy")), deadline(), Recording::default()).await }
    });
    on.await_running("busy", 1).await;
    let error = connector.test(deadline_in(Duration::from_millis(100))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert!(error.message().contains("max_sessions"), "{error}");
    busy.abort();
}

#[rstest]
#[tokio::test]
async fn closing_stops_what_runs_on_the_server(#[values(MariaDb, MySql)] on: Product) {
    let connector = Arc::new(on.connector());
    let call = tokio::spawn({
        let connector = Arc::clone(&connector);
        async move { connector.run(statement(&endless("closing")), deadline(), Recording::default()).await }
    });
    on.await_running("closing", 1).await;
    connector.close().await;
    call.await.unwrap().1.unwrap_err();
    on.await_running("closing", 0).await;
}

#[rstest]
#[tokio::test]
async fn an_idle_session_that_the_server_closed_is_replaced(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    let id = single(&connector, "SELECT CONNECTION_ID()").await;
    on.set_up(&format!("KILL {}", number(&id))).await;
    assert_ne!(single(&connector, "SELECT CONNECTION_ID()").await, id);
}

/// Hands every row to the test and waits until it has taken it.
struct Watched {
    rows: mpsc::Sender<String>,
    row: String,
}

#[async_trait::async_trait]
impl RowSink for Watched {
    fn columns(&mut self, _: Vec<Column>) -> Result<()> {
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) {
        if let Cell::Integer(_) = cell {
            self.row = format!("{cell:?}");
        }
    }

    fn end_row(&mut self) -> Flow {
        ControlFlow::Continue(())
    }

    fn wants_drain(&self) -> bool {
        true
    }

    async fn drain(&mut self) -> Flow {
        match self.rows.send(self.row.clone()).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_connection_lost_in_the_middle_of_a_result_makes_the_source_unavailable(
    #[values(MariaDb, MySql)] on: Product,
) {
    let connector = Arc::new(on.connector_with_one_session());
    let (sender, mut rows) = mpsc::channel(1);
    let call = tokio::spawn({
        let connector = Arc::clone(&connector);
        let text = format!("{NUMBERS} SELECT CAST(CONNECTION_ID() AS SIGNED), REPEAT('x', 1000) FROM n a, n b, n c");
        // The sink ends here, and with it the channel.
        async move { connector.run(statement(&text), deadline(), Watched { rows: sender, row: String::new() }).await.1 }
    });
    let id = rows.recv().await.unwrap();
    on.set_up(&format!("KILL {}", number(&id))).await;
    while rows.recv().await.is_some() {}
    assert_eq!(call.await.unwrap().unwrap_err().code(), ErrorCode::SourceUnavailable);
    assert_eq!(single(&connector, "SELECT 1").await, "Integer(1)");
}

#[rstest]
#[tokio::test]
async fn a_reader_that_has_gone_ends_the_result(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    let (sender, rows) = mpsc::channel(1);
    drop(rows);
    let large = statement(&format!("{NUMBERS} SELECT a.i AS reader_gone, REPEAT('x', 200) FROM n a, n b, n c"));
    let (_, ran) = connector.run(large, deadline(), Watched { rows: sender, row: String::new() }).await;
    ran.unwrap();
    on.await_running("reader_gone", 0).await;
}

fn number(cell: &str) -> &str {
    cell.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap()
}
