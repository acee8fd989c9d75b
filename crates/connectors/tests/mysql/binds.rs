//! Every value reaches the server as what it is.

use std::sync::Arc;

use rstest::rstest;
use serde_json::{Value as Json, json};
use tidegate_connectors::{Connector, mysql::MysqlConnector};
use tidegate_core::{Result, parameter::Parameter};
use tidegate_statement::{Dialect, Statement, Template};

use crate::source::{
    NUMBERS,
    Product::{self, MariaDb, MySql},
    Recording, deadline,
};

/// A statement with one optional parameter `x`; absent when `value` is null.
fn bound(text: &str, kind: &str, value: &Json) -> Arc<Statement> {
    let parameter: Parameter = serde_json::from_value(json!({"name": "x", "type": kind, "required": false})).unwrap();
    let template = Template::compile(text, &[parameter], Dialect::Mysql).unwrap();
    let given = match value {
        Json::Null => serde_json::Map::new(),
        value => serde_json::Map::from_iter([("x".to_owned(), value.clone())]),
    };
    Arc::new(template.bind(&template.arguments(&given).unwrap()).unwrap())
}

async fn run(connector: &MysqlConnector, statement: Arc<Statement>) -> Result<Recording> {
    let (recording, ran) = connector.run(statement, deadline(), Recording::default()).await;
    ran.map(|()| recording)
}

#[rstest]
#[tokio::test]
async fn every_value_is_stored_and_found_again(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    // MariaDB's is a text. A text that is compared with a document of MySQL is a string in JSON unless it is cast.
    let (document, compared) = match on {
        MariaDb => (r#"Text("{\"a\":[1,null]}")"#, "{{ x }}"),
        MySql => (r#"Json("{\"a\": [1, null]}")"#, "CAST({{ x }} AS JSON)"),
    };
    for (index, (kind, column, value, cell)) in [
        ("string", "varchar(40)", json!("it's `x` 🦀 \\"), r#"Text("it's `x` 🦀 \\")"#),
        ("integer", "bigint", json!(i64::MIN), "Integer(-9223372036854775808)"),
        (
            "number",
            "decimal(38,10)",
            serde_json::from_str("1234567890123456789012345678.0123456789").unwrap(),
            r#"Decimal("1234567890123456789012345678.0123456789")"#,
        ),
        ("number", "decimal(10,2)", serde_json::from_str("-1.5e3").unwrap(), r#"Decimal("-1500.00")"#),
        ("boolean", "tinyint(1)", json!(true), "Integer(1)"),
        ("date", "date", json!("2024-02-29"), r#"Text("2024-02-29")"#),
        ("time", "time(6)", json!("23:59:58.000001"), r#"Text("23:59:58.000001")"#),
        (
            "timestamp",
            "timestamp(6) null",
            json!("2024-02-29T12:00:00.5+02:00"),
            r#"Text("2024-02-29T10:00:00.500000Z")"#,
        ),
        ("timestamp", "datetime", json!("2024-03-01T01:00:00+02:00"), r#"Text("2024-02-29T23:00:00")"#),
        (
            "uuid",
            "char(36)",
            json!("123e4567-e89b-12d3-a456-426655440000"),
            r#"Text("123e4567-e89b-12d3-a456-426655440000")"#,
        ),
        ("json", "json", json!({"a": [1, null]}), document),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("bound_{index}");
        on.set_up(&format!("CREATE TABLE {table} (x {column})")).await;
        for value in [&value, &Json::Null] {
            let insert = bound(&format!("INSERT INTO {table} VALUES ({{{{ x }}}})"), kind, value);
            assert_eq!(run(&connector, insert).await.unwrap().affected, Some(1), "{kind} {value}");
        }
        let compared = if kind == "json" { compared } else { "{{ x }}" };
        let select = bound(&format!("SELECT x FROM {table} WHERE x = {compared}"), kind, &value);
        assert_eq!(run(&connector, select).await.unwrap().rows, [[cell]], "{kind} {value}");
        let nulls = bound(&format!("SELECT COUNT(*) FROM {table} WHERE x <=> {{{{ x }}}}"), kind, &Json::Null);
        assert_eq!(run(&connector, nulls).await.unwrap().rows, [["Integer(1)"]], "{kind}");
    }
}

#[rstest]
#[tokio::test]
async fn a_value_is_never_read_as_sql(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    for value in ["' OR '1'='1", "\\' OR 1=1 -- ", "x'; DROP TABLE t; -- ", "{{ 1 }}", "\u{0}"] {
        let rows = run(&connector, bound("SELECT {{ x }}", "string", &json!(value))).await.unwrap().rows;
        assert_eq!(rows, [[format!("Text({value:?})")]]);
    }
}

#[rstest]
#[tokio::test]
async fn a_number_of_rows_may_be_bound(#[values(MariaDb, MySql)] on: Product) {
    let rows =
        run(&on.connector(), bound(&format!("{NUMBERS} SELECT i FROM n LIMIT {{{{ x }}}}"), "integer", &json!(2)))
            .await
            .unwrap()
            .rows;
    assert_eq!(rows, [["Integer(1)"], ["Integer(2)"]]);
}
