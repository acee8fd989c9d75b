//! What statements may do and what they leave behind.

use tidegate_connectors::Connector;
use tidegate_core::ErrorCode;
use tidegate_statement::Class;

use crate::source::{Recording, connector, deadline, run, set_up, single, statement};

#[tokio::test]
async fn a_write_is_committed_and_tells_how_many_rows_it_changed() {
    let connector = connector();
    set_up("DROP TABLE IF EXISTS written; CREATE TABLE written (id int primary key)").await;
    let recording = run(&connector, "INSERT INTO written VALUES (1), (2), (3)").await;
    assert_eq!((recording.affected, recording.columns.unwrap().len()), (Some(3), 0));
    let other = crate::source::connector();
    assert_eq!(single(&other, "SELECT COUNT(*) FROM written").await, "Integer(3)");
}

#[tokio::test]
async fn what_a_write_returns_is_streamed_and_a_full_sink_does_not_undo_it() {
    let connector = connector();
    set_up("DROP TABLE IF EXISTS returned; CREATE TABLE returned (id int primary key)").await;
    let insert = statement("INSERT INTO returned VALUES (1), (2), (3) RETURNING id");
    let (recording, ran) = connector.run(insert, deadline(), Recording::of_rows(1)).await;
    ran.unwrap();
    assert_eq!(recording.rows, [["Integer(1)"]]);
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM returned").await, "Integer(3)");
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_behind() {
    let connector = connector();
    set_up("DROP TABLE IF EXISTS undone; CREATE TABLE undone (id int primary key) ENGINE = InnoDB; INSERT INTO undone VALUES (2)").await;
    let (_, ran) =
        connector.run(statement("INSERT INTO undone VALUES (1), (2)"), deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("23000")));
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM undone").await, "Integer(1)");
}

#[tokio::test]
async fn the_engine_refuses_a_read_that_writes_through_a_function() {
    let connector = connector();
    set_up(
        "DROP TABLE IF EXISTS touched; CREATE TABLE touched (id int); \
         DROP FUNCTION IF EXISTS touch; CREATE FUNCTION touch() RETURNS int MODIFIES SQL DATA \
         BEGIN INSERT INTO touched VALUES (1); RETURN 1; END",
    )
    .await;
    let touch = statement("SELECT touch()");
    assert_eq!(touch.class(), Class::Read, "the guard cannot look into the function");
    let (_, ran) = connector.run(touch, deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::StatementNotAllowed, Some("25006")));
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM touched").await, "Integer(0)");
}

#[tokio::test]
async fn describing_a_statement_does_not_run_it() {
    let connector = connector();
    set_up("DROP TABLE IF EXISTS described; CREATE TABLE described (id int)").await;
    let columns = connector.describe(&statement("INSERT INTO described VALUES (1)"), deadline()).await.unwrap();
    assert!(columns.is_empty(), "{columns:?}");
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM described").await, "Integer(0)");
}

#[tokio::test]
async fn a_session_runs_in_utc_with_its_servers_own_operators() {
    let connector = connector();
    assert_eq!(single(&connector, "SELECT @@SESSION.time_zone").await, r#"Text("+00:00")"#);
    assert_eq!(single(&connector, "SELECT 1 || 0").await, "Integer(1)");
}
