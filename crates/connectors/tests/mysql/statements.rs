//! What statements may do and what they leave behind.

use std::sync::Arc;

use rstest::rstest;
use tidegate_connectors::Connector;
use tidegate_core::ErrorCode;
use tidegate_statement::Class;

use crate::source::{
    Product::{self, MariaDb, MySql},
    Recording, deadline, run, single, statement,
};

#[rstest]
#[tokio::test]
async fn a_write_is_committed_and_tells_how_many_rows_it_changed(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    on.set_up("DROP TABLE IF EXISTS written; CREATE TABLE written (id int primary key)").await;
    let recording = run(&connector, "INSERT INTO written VALUES (1), (2), (3)").await;
    assert_eq!((recording.affected, recording.columns.unwrap().len()), (Some(3), 0));
    let other = on.connector();
    assert_eq!(single(&other, "SELECT COUNT(*) FROM written").await, "Integer(3)");
}

/// MySQL has no `RETURNING`.
#[tokio::test]
async fn what_a_write_returns_is_streamed_and_a_full_sink_does_not_undo_it() {
    let connector = MariaDb.connector();
    MariaDb.set_up("DROP TABLE IF EXISTS returned; CREATE TABLE returned (id int primary key)").await;
    let insert = statement("INSERT INTO returned VALUES (1), (2), (3) RETURNING id");
    let (recording, ran) = connector.run(insert, deadline(), Recording::of_rows(1)).await;
    ran.unwrap();
    assert_eq!(recording.rows, [["Integer(1)"]]);
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM returned").await, "Integer(3)");
}

#[rstest]
#[tokio::test]
async fn a_failed_write_leaves_nothing_behind(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    on.set_up("DROP TABLE IF EXISTS undone; CREATE TABLE undone (id int primary key) ENGINE = InnoDB; INSERT INTO undone VALUES (2)").await;
    let (_, ran) =
        connector.run(statement("INSERT INTO undone VALUES (1), (2)"), deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("23000")));
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM undone").await, "Integer(1)");
}

#[rstest]
#[tokio::test]
async fn the_engine_refuses_a_read_that_writes_through_a_function(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    on.set_up(
        "DROP TABLE IF EXISTS touched; CREATE TABLE touched (id int); \
         DROP FUNCTION IF EXISTS touch; CREATE FUNCTION touch() RETURNS int READS SQL DATA \
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

#[rstest]
#[tokio::test]
async fn a_stored_function_is_called_unless_it_is_declared_to_change_data(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    on.set_up(
        "DROP FUNCTION IF EXISTS gross; CREATE FUNCTION gross(net int) RETURNS int NO SQL RETURN net * 2; \
         DROP FUNCTION IF EXISTS Spend; CREATE FUNCTION Spend() RETURNS int MODIFIES SQL DATA RETURN 1",
    )
    .await;
    for text in ["SELECT gross(2)", "SELECT `Gross` (2)", "SELECT tidegate.gross(2)", "SELECT COUNT(*) + 3"] {
        assert_eq!(single(&connector, text).await, "Integer(4)", "{text}");
    }
    for (text, why) in [
        ("SELECT spend()", "the function `Spend` is declared MODIFIES SQL DATA"),
        ("SELECT 1 FROM (SELECT 1 AS a) AS x WHERE tidegate.SPEND () = 1", "declared MODIFIES SQL DATA"),
        ("SELECT shell('id')", "the function `shell` is neither built in nor"),
    ] {
        let spend = statement(text);
        assert_eq!(spend.class(), Class::Read, "the guard cannot look into the function");
        let (_, ran) = connector.run(Arc::clone(&spend), deadline(), Recording::default()).await;
        let described = connector.describe(&spend, deadline()).await.unwrap_err();
        let explained = connector.explain(&spend, deadline()).await.unwrap_err();
        for error in [ran.unwrap_err(), described, explained] {
            assert_eq!((error.code(), error.sqlstate()), (ErrorCode::StatementNotAllowed, None), "{text}");
            assert!(error.message().contains(why), "{error}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_function_of_one_s_own_that_has_the_name_of_a_built_in_one_is_looked_up(
    #[values(MariaDb, MySql)] on: Product,
) {
    let connector = on.connector();
    on.set_up("DROP FUNCTION IF EXISTS `std`; CREATE FUNCTION `std`() RETURNS int MODIFIES SQL DATA RETURN 1").await;
    let (_, ran) = connector.run(statement("SELECT std ()"), deadline(), Recording::default()).await;
    assert_eq!(ran.unwrap_err().code(), ErrorCode::StatementNotAllowed);
}

#[rstest]
#[tokio::test]
async fn describing_a_statement_does_not_run_it(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    on.set_up("DROP TABLE IF EXISTS described; CREATE TABLE described (id int)").await;
    let columns = connector.describe(&statement("INSERT INTO described VALUES (1)"), deadline()).await.unwrap();
    assert!(columns.is_empty(), "{columns:?}");
    assert_eq!(single(&connector, "SELECT COUNT(*) FROM described").await, "Integer(0)");
}

#[rstest]
#[tokio::test]
async fn a_plan_names_its_tables_and_how_each_is_read(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    on.set_up("DROP TABLE IF EXISTS planned; CREATE TABLE planned (id int primary key, x int)").await;
    for (text, access) in
        [("SELECT * FROM planned WHERE x = 3 ORDER BY x", "ALL"), ("UPDATE planned SET x = 1 WHERE id > 3", "range")]
    {
        let plan = connector.explain(&statement(text), deadline()).await.unwrap();
        let plan = plan["query_block"].to_string();
        assert!(plan.contains(r#""table_name":"planned""#) && plan.contains(access), "{plan}");
    }
}

#[rstest]
#[tokio::test]
async fn a_session_runs_in_utc_with_its_servers_own_operators(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    assert_eq!(single(&connector, "SELECT @@SESSION.time_zone").await, r#"Text("+00:00")"#);
    assert_eq!(single(&connector, "SELECT 1 || 0").await, "Integer(1)");
}
