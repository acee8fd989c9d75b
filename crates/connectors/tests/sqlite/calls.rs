//! Calls: deadlines, callers who go, budgets, writes, and many at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidegate_connectors::Connector;
use tidegate_core::{ErrorCode, result::ColumnType};
use tokio::{sync::Notify, time::timeout};

use crate::fixture::{Drain, ENDLESS, ENDLESS_ROWS, Fixture, Recorder, after, soon, statement};

const SCHEMA: &str = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL UNIQUE);
    INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')";

#[tokio::test]
async fn a_test_of_the_source_tells_the_version() {
    let info = Fixture::new(SCHEMA).connector.test(soon()).await.unwrap();
    assert_eq!((info.product.as_str(), info.version.starts_with("3.")), ("SQLite", true));
}

#[tokio::test]
async fn rows_stream_in_order_and_columns_come_without_rows_too() {
    let fixture = Fixture::new(SCHEMA);
    let recorder = fixture.run("SELECT a, b FROM t ORDER BY a").await.unwrap();
    assert_eq!(recorder.rows.len(), 3);
    assert_eq!(recorder.rows[2], ["Integer(3)", "Text(\"three\")"]);
    assert_eq!(recorder.affected, None);

    let empty = fixture.run("SELECT a, b FROM t WHERE a > 9").await.unwrap();
    assert!(empty.rows.is_empty());
    assert_eq!(
        empty.columns.iter().map(|column| column.kind).collect::<Vec<_>>(),
        [ColumnType::Integer, ColumnType::String]
    );
}

#[tokio::test]
async fn a_statement_described_is_not_run() {
    let fixture = Fixture::new(SCHEMA);
    let deadline = after(5_000);
    assert_eq!(fixture.connector.describe(&statement(ENDLESS), deadline).await.unwrap().len(), 1);
    assert!(fixture.connector.describe(&statement("DELETE FROM t"), deadline).await.unwrap().is_empty());
    assert_eq!(fixture.row("SELECT count(*) FROM t").await, ["Integer(3)"]);
    let error = fixture.connector.describe(&statement("SELECT absent FROM t"), deadline).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DatabaseError);
}

#[tokio::test]
async fn errors_have_their_place_and_the_words_of_sqlite() {
    let fixture = Fixture::new(SCHEMA);
    let error = fixture.run("\n SELECT a,\n  nope FROM t").await.map(|_| ()).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::DatabaseError, "no such column: nope"));
    assert_eq!(error.faults().iter().map(|fault| (fault.line, fault.column)).collect::<Vec<_>>(), [(Some(3), Some(3))]);

    let error = fixture.run("SELECT abs(-9223372036854775808)").await.map(|_| ()).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::DatabaseError, "integer overflow"));
    assert_eq!(error.sqlstate(), Some("1"));
}

#[tokio::test]
async fn an_endless_statement_ends_at_the_deadline_and_the_connector_serves_on() {
    let fixture = Fixture::with_sessions(SCHEMA, 1);
    for text in [ENDLESS, ENDLESS_ROWS] {
        let began = Instant::now();
        let (recorder, result) = fixture.connector.run(statement(text), after(200), Recorder::default()).await;
        assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(recorder.rows.is_empty(), text == ENDLESS);
        assert_eq!(fixture.row("SELECT b FROM t").await.len(), 1);
    }
}

/// Each of these would keep its thread busy for seconds, minutes or hours if the function were SQLite's own, or took
/// values of any length.
#[tokio::test]
async fn no_function_keeps_its_thread_busy_after_the_deadline() {
    let fixture = Fixture::with_sessions(SCHEMA, 1);
    for slow in [
        "SELECT instr(hex(zeroblob(1500000)), hex(zeroblob(700000)) || '1')",
        "SELECT replace(hex(zeroblob(1500000)), hex(zeroblob(700000)) || '1', '')",
        "SELECT trim(hex(zeroblob(1500000)), hex(randomblob(1400000)) || 'x')",
        "SELECT hex(zeroblob(1500000)) LIKE '%' || hex(zeroblob(60)) || '1'",
        "SELECT hex(zeroblob(1500000)) GLOB '*' || hex(zeroblob(60)) || '1'",
        "SELECT json_patch(a, a) FROM (SELECT json_group_object(value, 1) AS a FROM generate)",
        "SELECT json_group_array(hex(zeroblob(1000000))) FROM generate",
        "SELECT group_concat(hex(zeroblob(1000))) OVER (ROWS BETWEEN 900 PRECEDING AND CURRENT ROW) FROM generate",
        "SELECT json_pretty(replace(hex(zeroblob(450)), '0', '[') || replace(hex(zeroblob(450)), '0', ']'), \
         hex(zeroblob(1000000)))",
        "SELECT unhex(hex(zeroblob(1500000)), hex(randomblob(1500000)))",
        "SELECT length(printf('%4000000d', 1))",
    ] {
        let text = format!(
            "WITH RECURSIVE generate (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM generate LIMIT 100000) {slow}"
        );
        let began = Instant::now();
        let (_, result) = fixture.connector.run(statement(&text), after(100), Recorder::default()).await;
        let answered = began.elapsed();
        serves_at_once(&fixture).await;
        if let Err(error) = &result {
            let stopped = matches!(error.code(), ErrorCode::Timeout | ErrorCode::LimitExceeded);
            assert!(stopped || error.message().contains(" is longer than "), "{slow}: {error:?}");
        }
        // The one session is lent again only when its thread has ended what it did.
        println!("answered after {answered:?}, free after {:?}: {slow}", began.elapsed());
        assert!(answered < Duration::from_secs(1), "{slow}: {answered:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{slow}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_caller_who_goes_frees_the_session() {
    let fixture = Fixture::with_sessions(SCHEMA, 1);
    let computing = fixture.connector.run(statement(ENDLESS), after(60_000), Recorder::default());
    assert!(timeout(Duration::from_millis(50), computing).await.is_err(), "it is endless");
    serves_at_once(&fixture).await;

    let started = Arc::new(Notify::new());
    let recorder = Recorder { drain: Drain::Stuck(Arc::clone(&started)), ..Recorder::default() };
    let draining = fixture.connector.run(statement(ENDLESS_ROWS), after(60_000), recorder);
    tokio::select! {
        _ = draining => panic!("it is endless"),
        () = started.notified() => {}
    }
    serves_at_once(&fixture).await;
}

async fn serves_at_once(fixture: &Fixture) {
    let (_, result) = fixture.connector.run(statement("SELECT 1"), after(5_000), Recorder::default()).await;
    result.unwrap();
}

#[tokio::test]
async fn a_reader_who_is_too_slow_meets_the_deadline() {
    let fixture = Fixture::with_sessions(SCHEMA, 1);
    let recorder = Recorder { drain: Drain::Stuck(Arc::default()), ..Recorder::default() };
    let (recorder, result) = fixture.connector.run(statement(ENDLESS_ROWS), after(200), recorder).await;
    assert_eq!((result.unwrap_err().code(), recorder.rows.len()), (ErrorCode::Timeout, 1));
    fixture.row("SELECT 1").await;
}

#[tokio::test]
async fn a_sink_that_is_full_or_gone_ends_the_statement() {
    let fixture = Fixture::with_sessions(SCHEMA, 1);
    for (recorder, rows) in [
        (Recorder { most_rows: Some(5), ..Recorder::default() }, 5),
        (Recorder { drain: Drain::Gone, ..Recorder::default() }, 1),
    ] {
        let (recorder, result) = fixture.connector.run(statement(ENDLESS_ROWS), soon(), recorder).await;
        result.unwrap();
        assert_eq!(recorder.rows.len(), rows);
    }
}

#[tokio::test]
async fn waiting_for_a_session_ends_at_the_deadline() {
    let fixture = Fixture::with_sessions(SCHEMA, 1);
    let started = Arc::new(Notify::new());
    let recorder = Recorder { drain: Drain::Stuck(Arc::clone(&started)), ..Recorder::default() };
    let occupying = fixture.connector.run(statement(ENDLESS_ROWS), after(60_000), recorder);
    let waiting = async {
        started.notified().await;
        fixture.connector.run(statement("SELECT 1"), after(100), Recorder::default()).await.1
    };
    tokio::select! {
        _ = occupying => panic!("it is endless"),
        result = waiting => assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout),
    }
}

#[tokio::test]
async fn a_write_commits_and_tells_how_many_rows_it_changed() {
    let fixture = Fixture::new(SCHEMA);
    let recorder = fixture.run("UPDATE t SET b = b || '!' WHERE a < 3").await.unwrap();
    assert_eq!((recorder.affected, recorder.columns.len()), (Some(2), 0));
    let recorder = fixture.run("INSERT INTO t VALUES (4, 'four') RETURNING a, b").await.unwrap();
    assert_eq!(recorder.affected, Some(1));
    assert_eq!(recorder.rows, [["Integer(4)", "Text(\"four\")"]]);
    let count: i64 =
        fixture.direct().query_row("SELECT count(*) FROM t WHERE a = 4 OR b LIKE '%!'", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 3);
}

#[tokio::test]
async fn a_write_that_fails_or_runs_out_of_time_changes_nothing() {
    let fixture = Fixture::new(SCHEMA);
    let error = fixture.run("INSERT INTO t VALUES (5, 'five'), (6, 'one')").await.map(|_| ()).unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("2067")));
    assert_eq!(error.message(), "UNIQUE constraint failed: t.b");

    let endless =
        "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n) SELECT i, 'x' || i FROM n";
    let (_, result) = fixture.connector.run(statement(endless), after(200), Recorder::default()).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout);

    let recorder = Recorder { drain: Drain::Stuck(Arc::default()), ..Recorder::default() };
    let returning = "INSERT INTO t VALUES (7, 'seven') RETURNING a";
    let (_, result) = fixture.connector.run(statement(returning), after(200), recorder).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout);

    assert_eq!(fixture.row("SELECT count(*), max(a) FROM t").await, ["Integer(3)", "Integer(3)"]);
    fixture.run("INSERT INTO t VALUES (8, 'eight')").await.unwrap();
}

#[tokio::test]
async fn a_write_waits_for_others_until_the_deadline() {
    let fixture = Fixture::new(SCHEMA);
    let other = fixture.direct();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let write = || statement("DELETE FROM t WHERE a = 1");
    let (_, result) = fixture.connector.run(write(), after(200), Recorder::default()).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout);
    assert_eq!(fixture.row("SELECT count(*) FROM t").await, ["Integer(3)"]);

    other.execute_batch("ROLLBACK; BEGIN; SELECT * FROM t").unwrap();
    let (_, result) = fixture.connector.run(write(), after(200), Recorder::default()).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::Timeout);

    let waiting = fixture.connector.run(write(), soon(), Recorder::default());
    let (outcome, ()) = tokio::join!(waiting, async { other.execute_batch("ROLLBACK").unwrap() });
    outcome.1.unwrap();
    assert_eq!(fixture.row("SELECT count(*) FROM t").await, ["Integer(2)"]);
}

#[tokio::test]
async fn triggers_and_foreign_keys_work_in_writes() {
    let fixture = Fixture::new(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE child (parent REFERENCES parent);
         CREATE TABLE log (what);
         CREATE TRIGGER logged AFTER INSERT ON child BEGIN INSERT INTO log VALUES (new.parent); END;
         INSERT INTO parent VALUES (1);",
    );
    assert_eq!(fixture.run("INSERT INTO child VALUES (1)").await.unwrap().affected, Some(1));
    assert_eq!(fixture.row("SELECT count(*) FROM log").await, ["Integer(1)"]);
    let error = fixture.run("INSERT INTO child VALUES (2)").await.map(|_| ()).unwrap_err();
    assert_eq!(error.message(), "FOREIGN KEY constraint failed");
}

#[tokio::test]
async fn a_session_sees_a_change_of_the_schema() {
    let fixture = Fixture::with_sessions(SCHEMA, 1);
    assert_eq!(fixture.row("SELECT * FROM t").await.len(), 2);
    fixture.direct().execute_batch("ALTER TABLE t ADD COLUMN c DEFAULT 'see'").unwrap();
    let recorder = fixture.run("SELECT * FROM t").await.unwrap();
    assert_eq!(recorder.columns[2].name, "c");
    assert_eq!(recorder.rows[0][2], "Text(\"see\")");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_are_served_by_four_sessions() {
    let fixture = Arc::new(Fixture::new(SCHEMA));
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                if n % 10 == 0 {
                    fixture.run(&format!("INSERT INTO t VALUES ({n} + 100, 'n{n}')")).await.unwrap();
                }
                fixture.row(&format!("SELECT {n}, count(*) > 2 FROM t")).await
            })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), [format!("Integer({n})"), "Integer(1)".to_owned()]);
    }
    assert_eq!(fixture.row("SELECT count(*) FROM t").await, ["Integer(8)"]);
}
