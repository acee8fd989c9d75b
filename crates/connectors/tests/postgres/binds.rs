//! Values reach their placeholders exactly, whatever type the server infers for them.

use serde_json::{Value as Json, json};
use tidegate_connectors::{Connector, postgres::PostgresConnector};
use tidegate_core::{Error, ErrorCode, Result, parameter::Parameter};
use tidegate_statement::{Dialect, Statement, Template};

use crate::fixture::{Recorder, beside, connector, execute, single_session, soon};

/// The statement of a template over one parameter `x` of a type, with an argument.
fn bound(text: &str, kind: &str, argument: &Json) -> Statement {
    let parameter: Parameter = serde_json::from_value(json!({ "name": "x", "type": kind, "required": false })).unwrap();
    let template = Template::compile(text, &[parameter], Dialect::Postgres).unwrap();
    let arguments = json!({ "x": argument });
    let arguments = template.arguments(arguments.as_object().unwrap()).unwrap();
    template.bind(&arguments).unwrap()
}

async fn run(connector: &PostgresConnector, text: &str, kind: &str, argument: Json) -> Result<Vec<Vec<Json>>> {
    let statement = bound(text, kind, &argument);
    let (recorder, result) = connector.run(statement.into(), soon(), Recorder::default()).await;
    result.map(|()| recorder.rows)
}

async fn failure(connector: &PostgresConnector, text: &str, kind: &str, argument: Json) -> Error {
    run(connector, text, kind, argument).await.unwrap_err()
}

#[tokio::test]
async fn a_value_of_every_type_comes_back_as_it_went() {
    let connector = connector();
    let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    for (kind, argument, text, cell) in [
        ("string", json!("é' -- \"\\"), "SELECT {{ x }}::text", json!("é' -- \"\\")),
        ("integer", json!(i64::MIN), "SELECT {{ x }}::bigint", json!(i64::MIN)),
        ("integer", json!(-5), "SELECT {{ x }}::smallint", json!(-5)),
        ("integer", json!(5), "SELECT {{ x }}::numeric", json!({ "decimal": "5" })),
        ("integer", json!(5), "SELECT {{ x }}::float8", json!({ "float": "5" })),
        ("integer", json!(5), "SELECT {{ x }}::oid", json!({ "unsigned": 5 })),
        (
            "number",
            json!("-123456789012345678901234567890.12345000"),
            "SELECT {{ x }}::numeric",
            json!({ "decimal": "-123456789012345678901234567890.12345000" }),
        ),
        ("number", json!(1.5), "SELECT {{ x }}::float4", json!({ "float": "1.5" })),
        ("number", json!(3), "SELECT {{ x }}::int", json!(3)),
        ("boolean", json!(true), "SELECT {{ x }}::boolean", json!(true)),
        ("date", json!("2024-02-29"), "SELECT {{ x }}::date", json!("2024-02-29")),
        ("date", json!("2024-02-29"), "SELECT {{ x }}::timestamp", json!("2024-02-29T00:00:00")),
        ("time", json!("12:34:56.789"), "SELECT {{ x }}::time", json!("12:34:56.789")),
        ("time", json!("12:34"), "SELECT {{ x }}::timetz", json!("12:34:00+00:00")),
        (
            "timestamp",
            json!("2024-02-29T12:34:56.789+02:00"),
            "SELECT {{ x }}::timestamptz",
            json!("2024-02-29T10:34:56.789Z"),
        ),
        ("timestamp", json!("2024-02-29T12:34:56+02:00"), "SELECT {{ x }}::timestamp", json!("2024-02-29T10:34:56")),
        ("uuid", json!(uuid), "SELECT {{ x }}::uuid", json!(uuid)),
        ("json", json!({ "a": [1.10, null] }), "SELECT {{ x }}::json", json!({ "json": "{\"a\":[1.1,null]}" })),
        ("json", json!([1]), "SELECT {{ x }}::jsonb -> 0", json!({ "json": "1" })),
        // Nothing but the parameter's type says what these are.
        ("integer", json!(7), "SELECT {{ x }} + {{ x }}", json!(14)),
        ("number", json!("1.10"), "SELECT {{ x }} - {{ x }}", json!({ "decimal": "0.00" })),
        ("date", json!("2024-02-29"), "SELECT date_part('year', {{ x }})", json!({ "float": "2024" })),
        // The server parses what a string cannot be encoded as.
        ("string", json!(uuid), "SELECT {{ x }}::uuid", json!(uuid)),
        ("string", json!("7 days"), "SELECT {{ x }}::interval", json!("P7D")),
        ("string", json!("10.0.0.0/8"), "SELECT {{ x }}::inet", json!("10.0.0.0/8")),
        ("string", json!("{1,2}"), "SELECT {{ x }}::int[]", json!({ "json": "[1,2]" })),
        ("string", json!("[1,5)"), "SELECT {{ x }}::int4range", json!("[1,5)")),
        ("string", json!("101"), "SELECT {{ x }}::bit(3)", json!("101")),
        ("string", json!("2024-02-29"), "SELECT {{ x }}::date", json!("2024-02-29")),
        ("string", json!("{\"a\":1}"), "SELECT {{ x }}::jsonb", json!({ "json": "{\"a\": 1}" })),
        ("string", json!("ab"), "SELECT {{ x }}::char(3)", json!("ab ")),
    ] {
        let rows = run(&connector, text, kind, argument.clone()).await;
        assert_eq!(rows.unwrap_or_else(|error| panic!("{kind} in {text}: {error:?}")), [[cell]], "{kind} in {text}");
        let rows = run(&connector, text, kind, Json::Null).await;
        assert_eq!(rows.unwrap_or_else(|error| panic!("NULL in {text}: {error:?}")), [[json!(null)]], "NULL in {text}");
    }
}

#[tokio::test]
async fn the_server_infers_types_from_columns_and_functions() {
    execute(
        &mut beside().await,
        "DROP TABLE IF EXISTS inferred; DROP TYPE IF EXISTS colour;
         CREATE TYPE colour AS ENUM ('red', 'blue');
         CREATE TABLE inferred (small int2, id int, big int8, price numeric(10,2), ratio float8, name varchar(10),
             tone colour, key uuid, at timestamptz, on_day date, doc jsonb);
         INSERT INTO inferred VALUES (1, 2, 3, 1.10, 0.5, 'Anna', 'red', '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
             '2024-02-29 12:00Z', '2024-02-29', '{\"a\": {\"b\": 1}}')",
    )
    .await;
    let connector = connector();
    for (kind, argument, condition) in [
        ("integer", json!(1), "small = {{ x }}"),
        ("integer", json!(2), "id = {{ x }}"),
        ("integer", json!(2), "id IN ({{ x }}, 7)"),
        ("integer", json!(3), "big = {{ x }}"),
        ("number", json!("1.1"), "price = {{ x }}"),
        ("integer", json!(1), "price > {{ x }}"),
        ("number", json!("0.5"), "ratio = {{ x }}"),
        ("string", json!("Anna"), "name = {{ x }}"),
        ("string", json!("An%"), "name LIKE {{ x }}"),
        ("string", json!("na"), "name LIKE '%' || {{ x }} || '%'"),
        ("integer", json!(2), "substr(name, {{ x }}) = 'nna'"),
        ("string", json!("red"), "tone = {{ x }}"),
        ("string", json!("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"), "key = {{ x }}"),
        ("uuid", json!("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "key = {{ x }}"),
        ("timestamp", json!("2024-02-29T13:00:00+01:00"), "at = {{ x }}"),
        ("date", json!("2024-02-29"), "at >= {{ x }}"),
        ("date", json!("2024-02-29"), "on_day = {{ x }}"),
        ("json", json!({ "a": { "b": 1 } }), "doc @> {{ x }}"),
        ("string", json!("a"), "doc ? {{ x }}"),
        ("integer", json!(2), "({{ x }} IS NULL OR id = {{ x }})"),
        ("string", json!("Anna"), "({{ x }} IS NULL OR name = {{ x }})"),
        ("date", Json::Null, "({{ x }} IS NULL OR on_day = {{ x }})"),
        ("uuid", Json::Null, "({{ x }} IS NULL OR key = {{ x }})"),
        ("boolean", json!(true), "{{ x }}"),
        ("integer", json!(1), "true LIMIT {{ x }}"),
    ] {
        let text = format!("SELECT id FROM inferred WHERE {condition}");
        let rows = run(&connector, &text, kind, argument).await;
        assert_eq!(rows.unwrap_or_else(|error| panic!("{text}: {error:?}")), [[json!(2)]], "{text}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_both_types() {
    let connector = single_session();
    let session = run(&connector, "SELECT pg_backend_pid() + {{ x }}", "integer", json!(0)).await.unwrap();

    let error = failure(&connector, "SELECT 1 WHERE 1::int = {{ x }}", "integer", json!(3_000_000_000_i64)).await;
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert_eq!(error.message(), "3000000000 is out of range for integer, the type of $1");
    let error = failure(&connector, "SELECT 1 WHERE 1::int = {{ x }}", "number", json!(1.5)).await;
    assert_eq!(error.message(), "1.5 does not fit integer, the type of $1");
    let error = failure(&connector, "SELECT {{ x }}::date", "integer", json!(1)).await;
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.message().starts_with("$1 is of type date, which takes no integer"), "{error}");
    let error = failure(&connector, "SELECT {{ x }}::uuid", "string", json!("not one")).await;
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::InvalidArgument, Some("22P02")));
    assert_eq!(error.message(), "invalid input syntax for type uuid: \"not one\", for $1");
    assert_eq!(error.faults()[0].field.as_deref(), Some("$1"));
    let error = failure(&connector, "SELECT {{ x }}::text", "string", json!("a\u{0}b")).await;
    assert_eq!(error.sqlstate(), Some("22021"));

    // None of it cost the session.
    let again = run(&connector, "SELECT pg_backend_pid() + {{ x }}", "integer", json!(0)).await.unwrap();
    assert_eq!(session, again);
}

#[tokio::test]
async fn a_statement_that_cannot_be_prepared_tells_the_first_reason() {
    let connector = connector();
    let error = failure(&connector, "SELECT nope({{ x }})", "integer", json!(1)).await;
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("42883")));
    assert_eq!(error.message().split(';').next(), Some("function nope(unknown) does not exist"));
}

#[tokio::test]
async fn a_statement_whose_columns_the_driver_cannot_describe_takes_values() {
    let connector = connector();
    let text =
        "SELECT range_agg(int4range(n, n + 1)) AS spans, {{ x }} + 1 AS more FROM generate_series(1, {{ x }}) AS n";
    let rows = run(&connector, text, "integer", json!(3)).await.unwrap();
    assert_eq!(rows, [[json!("{[1,4)}"), json!(4)]]);
    let columns = connector.describe(&bound(text, "integer", &json!(3)), soon()).await.unwrap();
    assert_eq!(columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["spans", "more"]);
}
