//! What a statement may do, what it leaves behind, and when it ends.

use std::time::Duration;

use serde_json::json;
use sqlx::PgConnection;
use tidegate_connectors::{Connector, postgres::PostgresConnector};
use tidegate_core::ErrorCode;

use crate::fixture::{
    Recorder, as_admin, beside, connector, eventually, execute, rows, run, single_session, soon, statement, within,
};

/// A read that takes minutes: its rows come only after all of them were counted.
const SLOW: &str = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b";

#[tokio::test]
async fn test_says_which_product_and_version_answers() {
    let info = connector().test(soon()).await.unwrap();
    assert_eq!(info.product, "PostgreSQL");
    assert!(info.version.split('.').next().is_some_and(|major| major.parse::<u32>().is_ok()), "{}", info.version);
}

#[tokio::test]
async fn a_write_is_committed_and_counted() {
    execute(&mut beside().await, "DROP TABLE IF EXISTS written; CREATE TABLE written (id int)").await;
    let connector = connector();
    let (recorder, result) = run(&connector, "INSERT INTO written VALUES (1), (2), (3)").await;
    result.unwrap();
    assert_eq!((recorder.affected, recorder.columns), (Some(3), Some(Vec::new())));
    assert_eq!(rows(&connector, "SELECT count(*) FROM written").await, [[json!(3)]]);
    let (recorder, _) = run(&connector, "UPDATE written SET id = id + 1 WHERE id > 1 RETURNING id").await;
    assert_eq!((recorder.affected, recorder.rows.len()), (Some(2), 2));
}

#[tokio::test]
async fn a_write_that_fails_at_its_end_leaves_nothing() {
    execute(
        &mut beside().await,
        "DROP TABLE IF EXISTS deferred;
         CREATE TABLE deferred (id int PRIMARY KEY, next int REFERENCES deferred DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let connector = connector();
    let (_, result) = run(&connector, "INSERT INTO deferred VALUES (1, 2)").await;
    assert_eq!(result.unwrap_err().sqlstate(), Some("23503"));
    assert_eq!(rows(&connector, "SELECT count(*) FROM deferred").await, [[json!(0)]]);
}

#[tokio::test]
async fn a_write_runs_to_its_end_when_its_rows_are_too_many() {
    execute(&mut beside().await, "DROP TABLE IF EXISTS many; CREATE TABLE many (id int)").await;
    let connector = connector();
    let text = "INSERT INTO many SELECT generate_series(1, 5000) RETURNING id";
    let sink = Recorder::of_rows(2);
    let (recorder, result) = connector.run(statement(text), soon(), sink).await;
    result.unwrap();
    assert_eq!((recorder.rows.len(), recorder.affected), (2, Some(5000)));
    assert_eq!(rows(&connector, "SELECT count(*) FROM many").await, [[json!(5000)]]);
}

#[tokio::test]
async fn the_server_refuses_what_a_read_writes_through_a_function() {
    execute(
        &mut beside().await,
        "DROP TABLE IF EXISTS touched; CREATE TABLE touched (id int);
         CREATE OR REPLACE FUNCTION touch() RETURNS int LANGUAGE sql AS 'INSERT INTO touched VALUES (1) RETURNING id'",
    )
    .await;
    // Through a view, so that no reader of the text could tell.
    execute(&mut beside().await, "CREATE OR REPLACE VIEW touching AS SELECT touch() AS id").await;
    let connector = connector();
    let (_, result) = run(&connector, "SELECT id FROM touching").await;
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::StatementNotAllowed, Some("25006")));
    assert_eq!(rows(&connector, "SELECT count(*) FROM touched").await, [[json!(0)]]);
}

#[tokio::test]
async fn no_state_of_a_session_reaches_its_next_user() {
    execute(
        &mut beside().await,
        "DROP TABLE IF EXISTS noted; CREATE TABLE noted (id int);
         CREATE OR REPLACE FUNCTION leave_traces() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM set_config('application_name', 'traced', false);
             PERFORM pg_advisory_lock(4711);
             RETURN 1;
         END $$;
         CREATE OR REPLACE FUNCTION leave_table() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN
             CREATE TEMP TABLE left_behind (id int);
             RETURN leave_traces();
         END $$;
         CREATE OR REPLACE VIEW traces AS SELECT leave_traces() AS id;
         CREATE OR REPLACE VIEW tables AS SELECT leave_table() AS id",
    )
    .await;
    let connector = single_session();
    for text in ["SELECT id FROM traces", "INSERT INTO noted SELECT id FROM tables"] {
        rows(&connector, text).await;
        let left = "SELECT current_setting('application_name'), \
                    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711), \
                    to_regclass('left_behind') IS NULL";
        assert_eq!(rows(&connector, left).await, [[json!("tidegate"), json!(0), json!(true)]], "{text}");
    }
}

#[tokio::test]
async fn a_session_is_used_again_and_its_statements_stay_prepared() {
    let connector = single_session();
    let text = "SELECT pg_backend_pid(), count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT pg_backend_pid(), count%'";
    let first = rows(&connector, text).await;
    let second = rows(&connector, text).await;
    assert_eq!(first, second);
    assert_eq!(second[0][1], json!(1));
}

#[tokio::test]
async fn a_table_may_change_between_two_runs_of_a_statement() {
    let mut beside = beside().await;
    execute(
        &mut beside,
        "DROP TABLE IF EXISTS changing; CREATE TABLE changing (a int); INSERT INTO changing VALUES (1)",
    )
    .await;
    let connector = single_session();
    assert_eq!(rows(&connector, "SELECT * FROM changing").await, [[json!(1)]]);
    execute(&mut beside, "ALTER TABLE changing ADD COLUMN b text DEFAULT 'new'").await;
    assert_eq!(rows(&connector, "SELECT * FROM changing").await, [[json!(1), json!("new")]]);
}

#[tokio::test]
async fn a_result_cut_short_leaves_the_connector_usable() {
    let connector = single_session();
    let few = "SELECT pg_backend_pid() FROM generate_series(1, 10)";
    let many = "SELECT pg_backend_pid(), repeat('x', 1000), generate_series(1, 10000000)";
    for (text, keeps_session) in [(few, true), (many, false)] {
        let before = rows(&connector, "SELECT pg_backend_pid()").await;
        let sink = Recorder::of_rows(3);
        let (recorder, result) = connector.run(statement(text), soon(), sink).await;
        result.unwrap();
        assert_eq!(recorder.rows.len(), 3);
        let after = rows(&connector, "SELECT pg_backend_pid()").await;
        assert_eq!(before == after, keeps_session, "{text}");
    }
    nothing_runs(&mut beside().await, "generate_series(1, 10000000)").await;
}

/// Waits until the server runs no statement with a text in it.
async fn nothing_runs(connection: &mut PgConnection, part: &str) {
    eventually("the statement ends on the server", async || {
        let running: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE state = 'active' AND pid <> pg_backend_pid() AND position($1 IN query) > 0",
        )
        .bind(part)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        running == 0
    })
    .await;
}

/// Waits until the server runs a statement with a text in it, and gives the process that does.
async fn process_of(connection: &mut PgConnection, part: &str) -> i32 {
    let mut process = None;
    eventually("the statement runs on the server", async || {
        process = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity
             WHERE state = 'active' AND pid <> pg_backend_pid() AND position($1 IN query) > 0",
        )
        .bind(part)
        .fetch_optional(&mut *connection)
        .await
        .unwrap();
        process.is_some()
    })
    .await;
    process.unwrap()
}

#[tokio::test]
async fn a_statement_ends_with_its_deadline_and_its_session_lives_on() {
    let connector = single_session();
    let before = rows(&connector, "SELECT pg_backend_pid()").await;
    let text = format!("{SLOW} /* deadline */");
    let (_, result) = connector.run(statement(&text), within(Duration::from_millis(500)), Recorder::default()).await;
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::Timeout, Some("57014")));
    nothing_runs(&mut beside().await, "/* deadline */").await;
    assert_eq!(rows(&connector, "SELECT pg_backend_pid()").await, before);
}

#[tokio::test]
async fn a_statement_that_ignores_the_servers_timeout_is_cancelled() {
    // While it waits for the sink, the server has long sent what fits into the buffers and cannot time out.
    let connector = single_session();
    let text = "SELECT generate_series(1, 10000000), repeat('x', 1000) AS stalled";
    let (recorder, result) =
        connector.run(statement(text), within(Duration::from_millis(500)), Stalled::default()).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout);
    assert!(recorder.rows > 0);
    nothing_runs(&mut beside().await, "AS stalled").await;
    assert_eq!(rows(&connector, "SELECT 1").await, [[json!(1)]]);
}

/// A sink whose reader never takes what it has.
#[derive(Default)]
struct Stalled {
    rows: usize,
}

#[async_trait::async_trait]
impl tidegate_core::result::RowSink for Stalled {
    fn columns(&mut self, _: Vec<tidegate_core::result::Column>) -> tidegate_core::Result<()> {
        Ok(())
    }

    fn cell(&mut self, _: tidegate_core::value::Cell<'_>) {}

    fn end_row(&mut self) -> tidegate_core::result::Flow {
        self.rows += 1;
        std::ops::ControlFlow::Continue(())
    }

    fn wants_drain(&self) -> bool {
        true
    }

    async fn drain(&mut self) -> tidegate_core::result::Flow {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_stops_its_statement() {
    let connector = std::sync::Arc::new(single_session());
    let text = format!("{SLOW} /* dropped */");
    let call = tokio::spawn({
        let connector = std::sync::Arc::clone(&connector);
        async move { run(&connector, &text).await.1 }
    });
    let mut beside = beside().await;
    process_of(&mut beside, "/* dropped */").await;
    call.abort();
    nothing_runs(&mut beside, "/* dropped */").await;
    assert_eq!(rows(&connector, "SELECT 1").await, [[json!(1)]]);
}

#[tokio::test]
async fn an_idle_session_that_died_is_replaced() {
    let connector = single_session();
    let process = rows(&connector, "SELECT pg_backend_pid()").await[0][0].as_i64().unwrap();
    let mut admin = as_admin().await;
    sqlx::query("SELECT pg_terminate_backend($1::int, 10000)").bind(process).execute(&mut admin).await.unwrap();
    assert_ne!(rows(&connector, "SELECT pg_backend_pid()").await, [[json!(process)]]);
}

#[tokio::test]
async fn a_session_that_dies_under_its_statement_is_an_unavailable_source() {
    let connector = std::sync::Arc::new(single_session());
    let text = format!("{SLOW} /* killed */");
    let call = tokio::spawn({
        let connector = std::sync::Arc::clone(&connector);
        async move { run(&connector, &text).await.1 }
    });
    let mut admin = as_admin().await;
    let process = process_of(&mut admin, "/* killed */").await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(process).execute(&mut admin).await.unwrap();
    assert_eq!(call.await.unwrap().unwrap_err().code(), ErrorCode::SourceUnavailable);
    assert_eq!(rows(&connector, "SELECT 1").await, [[json!(1)]]);
}

#[tokio::test]
async fn a_statement_that_an_administrator_cancels_has_not_run_out_of_time() {
    let connector = std::sync::Arc::new(single_session());
    let text = format!("{SLOW} /* interrupted */");
    let call = tokio::spawn({
        let connector = std::sync::Arc::clone(&connector);
        async move { run(&connector, &text).await.1 }
    });
    let mut admin = as_admin().await;
    let process = process_of(&mut admin, "/* interrupted */").await;
    // The server shows the text while it still reads the statement, and forgets a cancel that comes before it runs.
    eventually("the statement is cancelled", async || {
        sqlx::query(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
             WHERE pid = $1 AND state = 'active' AND position('/* interrupted */' IN query) > 0",
        )
        .bind(process)
        .execute(&mut admin)
        .await
        .unwrap();
        call.is_finished()
    })
    .await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("57014")));
    assert!(error.message().contains("stopped on the database server"), "{error}");
    assert_eq!(rows(&connector, "SELECT pg_backend_pid()").await, [[json!(process)]]);
}

#[tokio::test]
async fn closing_stops_what_runs_on_the_server() {
    let connector = std::sync::Arc::new(single_session());
    let text = format!("{SLOW} /* closing */");
    let call = tokio::spawn({
        let connector = std::sync::Arc::clone(&connector);
        async move { run(&connector, &text).await.1 }
    });
    let mut beside = beside().await;
    process_of(&mut beside, "/* closing */").await;
    connector.close().await;
    call.await.unwrap().unwrap_err();
    nothing_runs(&mut beside, "/* closing */").await;
}

#[tokio::test]
async fn a_call_waits_for_a_session_no_longer_than_its_deadline() {
    let connector = std::sync::Arc::new(single_session());
    let text = format!("{SLOW} /* busy */");
    let call = tokio::spawn({
        let connector: std::sync::Arc<PostgresConnector> = std::sync::Arc::clone(&connector);
        async move { run(&connector, &text).await.1 }
    });
    process_of(&mut beside().await, "/* busy */").await;
    let (_, result) =
        connector.run(statement("SELECT 1"), within(Duration::from_millis(100)), Recorder::default()).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout);
    call.abort();
}

#[tokio::test]
async fn a_closed_connector_closes_its_sessions() {
    let connector = single_session();
    let process = rows(&connector, "SELECT pg_backend_pid()").await[0][0].as_i64().unwrap();
    connector.close().await;
    let mut beside = beside().await;
    eventually("the session ends", async || {
        let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE pid = $1")
            .bind(process)
            .fetch_one(&mut beside)
            .await
            .unwrap();
        sessions == 0
    })
    .await;
    assert_eq!(run(&connector, "SELECT 1").await.1.unwrap_err().code(), ErrorCode::SourceUnavailable);
}
