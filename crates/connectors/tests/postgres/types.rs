//! Every type comes back exact, as a documented text, or through the documented cast; none fails its row set.

use serde_json::{Value as Json, json};
use tidegate_connectors::{Connector, postgres::PostgresConnector};
use tidegate_core::result::ColumnType;

use crate::fixture::{
    anywhere, as_admin, beside, connector, credentials, endpoint, execute, rows, run, soon, statement,
};

fn decimal(text: &str) -> Json {
    json!({ "decimal": text })
}

fn float(text: &str) -> Json {
    json!({ "float": text })
}

fn unsigned(value: u64) -> Json {
    json!({ "unsigned": value })
}

fn document(text: &str) -> Json {
    json!({ "json": text })
}

fn bytes(bytes: &[u8]) -> Json {
    json!({ "bytes": bytes })
}

/// An expression, its cell, its column type, and its type in the words of the database.
type Case = (&'static str, Json, ColumnType, &'static str);

fn cases() -> Vec<Case> {
    use ColumnType::{Binary, Boolean, Date, Decimal, Float, Integer, Json, String, Time, Timestamp, Uuid};
    vec![
        // Numbers
        ("true", json!(true), Boolean, "boolean"),
        ("(-32768)::int2", json!(-32_768), Integer, "smallint"),
        ("2147483647", json!(2_147_483_647), Integer, "integer"),
        ("(-9223372036854775808)::int8", json!(i64::MIN), Integer, "bigint"),
        ("4294967295::oid", unsigned(4_294_967_295), Integer, "oid"),
        ("'4294967295'::xid", unsigned(4_294_967_295), Integer, "xid"),
        ("'18446744073709551615'::xid8", unsigned(u64::MAX), Integer, "xid8"),
        ("0.1::float4", float("0.1"), Float, "real"),
        ("0.1::float8", float("0.1"), Float, "double precision"),
        ("'NaN'::float8", float("NaN"), Float, "double precision"),
        ("'-Infinity'::float4", float("-inf"), Float, "real"),
        ("1.10::numeric(10,2)", decimal("1.10"), Decimal, "numeric"),
        (
            "-0.00000000000000000000000000000000000001",
            decimal("-0.00000000000000000000000000000000000001"),
            Decimal,
            "numeric",
        ),
        (
            "99999999999999999999999999999999999999",
            decimal("99999999999999999999999999999999999999"),
            Decimal,
            "numeric",
        ),
        ("1e20::numeric", decimal("100000000000000000000"), Decimal, "numeric"),
        ("'NaN'::numeric", json!("NaN"), Decimal, "numeric"),
        ("'-Infinity'::numeric", json!("-Infinity"), Decimal, "numeric"),
        ("'-1234.56'::money", decimal("-1234.56"), Decimal, "money"),
        // Text
        ("'é'::text", json!("é"), String, "text"),
        ("'a'::varchar(5)", json!("a"), String, "character varying"),
        ("'a'::char(3)", json!("a  "), String, "character"),
        ("'a'::\"char\"", json!("a"), String, "\"char\""),
        ("'a'::name", json!("a"), String, "name"),
        ("'untyped'", json!("untyped"), String, "text"),
        ("'<a>1</a>'::xml", json!("<a>1</a>"), String, "xml"),
        ("'\\x00ff'::bytea", bytes(&[0, 255]), Binary, "bytea"),
        ("'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid", json!("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), Uuid, "uuid"),
        ("'{\"a\": 1.10}'::json", document("{\"a\": 1.10}"), Json, "json"),
        ("'{\"a\":1.10}'::jsonb", document("{\"a\": 1.10}"), Json, "jsonb"),
        ("'$.a[*]'::jsonpath", json!("$.\"a\"[*]"), String, "jsonpath"),
        // Dates and times
        ("'2024-02-29'::date", json!("2024-02-29"), Date, "date"),
        ("'infinity'::date", json!("infinity"), Date, "date"),
        ("'0044-03-15 BC'::date", json!("0044-03-15 BC"), Date, "date"),
        ("'300000-01-01'::date", json!("300000-01-01"), Date, "date"),
        ("'12:34:56.789'::time", json!("12:34:56.789"), Time, "time without time zone"),
        ("'24:00'::time", json!("24:00:00"), Time, "time without time zone"),
        ("'12:34:56+05:30'::timetz", json!("12:34:56+05:30"), Time, "time with time zone"),
        ("'12:34:56-08'::timetz", json!("12:34:56-08:00"), Time, "time with time zone"),
        (
            "'2024-02-29 12:34:56.5'::timestamp",
            json!("2024-02-29T12:34:56.5"),
            Timestamp,
            "timestamp without time zone",
        ),
        ("'2024-02-29 12:34:56+02'::timestamptz", json!("2024-02-29T10:34:56Z"), Timestamp, "timestamp with time zone"),
        ("'infinity'::timestamptz", json!("infinity"), Timestamp, "timestamp with time zone"),
        ("'-infinity'::timestamp", json!("-infinity"), Timestamp, "timestamp without time zone"),
        (
            "'294276-12-31 23:59:59.999999'::timestamp",
            json!("294276-12-31T23:59:59.999999"),
            Timestamp,
            "timestamp without time zone",
        ),
        ("'4713-01-01 BC'::timestamptz", json!("4713-01-01T00:00:00Z BC"), Timestamp, "timestamp with time zone"),
        ("'1 year -2 months 3 days 04:05:06.7'::interval", json!("P10M3DT4H5M6.7S"), String, "interval"),
        // Networks
        ("'10.0.0.1'::inet", json!("10.0.0.1"), String, "inet"),
        ("'10.1.0.0/16'::cidr", json!("10.1.0.0/16"), String, "cidr"),
        ("'2001:db8::1/64'::inet", json!("2001:db8::1/64"), String, "inet"),
        ("'08:00:2b:01:02:03'::macaddr", json!("08:00:2b:01:02:03"), String, "macaddr"),
        ("'08:00:2b:01:02:03:04:05'::macaddr8", json!("08:00:2b:01:02:03:04:05"), String, "macaddr8"),
        // Bits and geometry
        ("B'10110011101'", json!("10110011101"), String, "bit"),
        ("B'101'::varbit", json!("101"), String, "bit varying"),
        ("'(1.5,-2)'::point", json!("(1.5,-2)"), String, "point"),
        ("'{1,2,3}'::line", json!("{1,2,3}"), String, "line"),
        ("'[(0,0),(1e20,1)]'::lseg", json!("[(0,0),(1e+20,1)]"), String, "lseg"),
        ("'(1,1),(0,0)'::box", json!("(1,1),(0,0)"), String, "box"),
        ("'[(0,0),(1,1)]'::path", json!("[(0,0),(1,1)]"), String, "path"),
        ("'((0,0),(1,1))'::path", json!("((0,0),(1,1))"), String, "path"),
        ("'((0,0),(1,1),(1,0))'::polygon", json!("((0,0),(1,1),(1,0))"), String, "polygon"),
        ("'<(0,0),2>'::circle", json!("<(0,0),2>"), String, "circle"),
        // The server's own
        ("'16/B374D848'::pg_lsn", json!("16/B374D848"), String, "pg_lsn"),
        ("'(42,7)'::tid", json!("(42,7)"), String, "tid"),
        ("'1 2'::int2vector", document("[1,2]"), Json, "int2vector"),
        ("'1 2'::oidvector", document("[1,2]"), Json, "oidvector"),
        ("to_tsvector('simple', 'it''s a cat')", json!("'a':3 'cat':4 'it':1 's':2"), String, "tsvector"),
        // Arrays
        ("ARRAY[1, NULL, 3]", document("[1,null,3]"), Json, "integer[]"),
        ("ARRAY[[1,2],[3,4]]", document("[[1,2],[3,4]]"), Json, "integer[]"),
        (
            "ARRAY[9007199254740991, -9223372036854775808]",
            document("[9007199254740991,\"-9223372036854775808\"]"),
            Json,
            "bigint[]",
        ),
        ("'{}'::text[]", document("[]"), Json, "text[]"),
        ("'[2:3]={a,b}'::text[]", document("[\"a\",\"b\"]"), Json, "text[]"),
        ("ARRAY[1.10, 'NaN'::numeric]", document("[\"1.10\",\"NaN\"]"), Json, "numeric[]"),
        ("ARRAY['say \"hi\"', E'\\\\ \\n']", document("[\"say \\\"hi\\\"\",\"\\\\ \\n\"]"), Json, "text[]"),
        (
            "ARRAY['infinity'::timestamptz, '2024-01-01Z']",
            document("[\"infinity\",\"2024-01-01T00:00:00Z\"]"),
            Json,
            "timestamp with time zone[]",
        ),
        ("ARRAY['{\"a\": 1}'::jsonb]", document("[{\"a\": 1}]"), Json, "jsonb[]"),
        ("ARRAY['\\x00ff'::bytea]", document("[\"AP8=\"]"), Json, "bytea[]"),
        ("ARRAY['10.0.0.1'::inet]", document("[\"10.0.0.1\"]"), Json, "inet[]"),
        ("ARRAY[1.5::float8, 'Infinity']", document("[1.5,\"Infinity\"]"), Json, "double precision[]"),
        // Ranges
        ("'[1,10]'::int4range", json!("[1,11)"), String, "int4range"),
        ("'[-9007199254740993,)'::int8range", json!("[-9007199254740993,)"), String, "int8range"),
        ("'(,1.5]'::numrange", json!("(,1.5]"), String, "numrange"),
        ("'empty'::daterange", json!("empty"), String, "daterange"),
        ("'[2024-01-01,infinity)'::tstzrange", json!("[\"2024-01-01 00:00:00+00\",infinity)"), String, "tstzrange"),
        ("ARRAY['[1,2)'::int8range]", document("[\"[1,2)\"]"), Json, "int8range[]"),
        // Types without a decoder, which the server renders
        ("'{[1,3),[5,7)}'::int4multirange", json!("{[1,3),[5,7)}"), String, "int4multirange"),
        ("ARRAY['{[1,3)}'::int4multirange]", document("[\"{[1,3)}\"]"), Json, "int4multirange[]"),
        ("'pg_class'::regclass", json!("pg_class"), String, "regclass"),
        ("ARRAY['pg_class'::regclass]", document("[\"pg_class\"]"), Json, "regclass[]"),
        ("'fat & (rat | cat)'::tsquery", json!("'fat' & ( 'rat' | 'cat' )"), String, "tsquery"),
        ("ROW(1, 'a', NULL)", document("{\"f1\":1,\"f2\":\"a\",\"f3\":null}"), Json, "record"),
        (
            "(SELECT relacl FROM pg_class WHERE relname = 'pg_class')",
            document("[\"postgres=arwdDxt/postgres\",\"=r/postgres\"]"),
            Json,
            "aclitem[]",
        ),
        // Types of the user's own
        ("'happy'::app_types.\"Mood\"", json!("happy"), String, "app_types.\"Mood\""),
        ("ARRAY['sad'::app_types.\"Mood\"]", document("[\"sad\"]"), Json, "app_types.\"Mood\"[]"),
        ("7::app_types.positive", json!(7), Integer, "integer"),
        (
            "ROW('1 Way', 1.10, ARRAY['sad']::app_types.\"Mood\"[])::app_types.address",
            document("{\"street\":\"1 Way\",\"fee\":\"1.10\",\"moods\":[\"sad\"]}"),
            Json,
            "app_types.address",
        ),
        (
            "ROW(NULL, NULL, NULL)::app_types.address",
            document("{\"street\":null,\"fee\":null,\"moods\":null}"),
            Json,
            "app_types.address",
        ),
        ("'[a,b)'::app_types.letters", json!("[a,b)"), String, "app_types.letters"),
        ("ROW('{[1,2)}')::app_types.unreadable", document("{\"spans\":\"{[1,2)}\"}"), Json, "app_types.unreadable"),
        // Types of extensions
        ("'Mixed'::app_types.citext", json!("Mixed"), String, "app_types.citext"),
        ("'a.b.c'::app_types.ltree", json!("a.b.c"), String, "app_types.ltree"),
        ("'a=>1, b=>NULL'::app_types.hstore", document("{\"a\":\"1\",\"b\":null}"), Json, "app_types.hstore"),
        ("NULL::int4", json!(null), Integer, "integer"),
        ("NULL::int4multirange", json!(null), String, "int4multirange"),
    ]
}

async fn prepare() {
    let mut admin = as_admin().await;
    execute(
        &mut admin,
        "DROP SCHEMA IF EXISTS app_types CASCADE;
         CREATE SCHEMA app_types;
         GRANT USAGE ON SCHEMA app_types TO PUBLIC;
         CREATE EXTENSION citext SCHEMA app_types;
         CREATE EXTENSION ltree SCHEMA app_types;
         CREATE EXTENSION hstore SCHEMA app_types;
         CREATE TYPE app_types.\"Mood\" AS ENUM ('sad', 'happy');
         CREATE DOMAIN app_types.positive AS int CHECK (VALUE > 0);
         CREATE TYPE app_types.address AS (street text, fee numeric, moods app_types.\"Mood\"[]);
         CREATE TYPE app_types.letters AS RANGE (subtype = text);
         CREATE TYPE app_types.unreadable AS (spans int4multirange);",
    )
    .await;
}

async fn check(connector: &PostgresConnector, (expression, cell, kind, database_type): &Case) -> Result<(), String> {
    let (recorder, result) = run(connector, &format!("SELECT {expression} AS x")).await;
    result.map_err(|error| format!("{expression}: {error:?}"))?;
    if recorder.rows != [[cell.clone()]] {
        return Err(format!("{expression}: {:?} instead of {cell}", recorder.rows));
    }
    let column = &recorder.columns.unwrap_or_default()[0];
    if (column.name.as_str(), column.kind, column.database_type.as_deref()) != ("x", *kind, Some(*database_type)) {
        return Err(format!("{expression}: {column:?}"));
    }
    Ok(())
}

#[tokio::test]
async fn every_type_has_its_cell_and_its_names() {
    prepare().await;
    let connector = connector();
    let mut failures = Vec::new();
    for case in cases() {
        failures.extend(check(&connector, &case).await.err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    // All of them together, where the driver cannot describe some.
    let expressions: Vec<_> = cases().iter().map(|(expression, ..)| *expression).collect();
    let (recorder, result) = run(&connector, &format!("SELECT {}", expressions.join(", "))).await;
    result.unwrap();
    for (index, (expression, mut cell, kind, database_type)) in cases().into_iter().enumerate() {
        if expression.starts_with("ROW('1 Way'") {
            // Here the server writes it, with its decimal as a number.
            cell = document("{\"street\":\"1 Way\",\"fee\":1.10,\"moods\":[\"sad\"]}");
        }
        let column = &recorder.columns.as_ref().unwrap()[index];
        let found = (&recorder.rows[0][index], column.kind, column.database_type.as_deref());
        assert_eq!(found, (&cell, kind, Some(database_type)), "{expression}");
    }
}

#[tokio::test]
async fn the_servers_own_catalog_can_be_read_with_a_star() {
    let connector = connector();
    for table in ["pg_class", "pg_index", "pg_attrdef", "pg_type", "pg_proc", "pg_stats", "pg_stat_activity"] {
        let (recorder, result) = run(&connector, &format!("SELECT * FROM pg_catalog.{table} LIMIT 5")).await;
        result.unwrap_or_else(|error| panic!("{table}: {error:?}"));
        assert!(!recorder.columns.unwrap_or_default().is_empty());
    }
}

#[tokio::test]
async fn columns_are_announced_without_rows_and_may_share_a_name() {
    let connector = connector();
    for text in [
        "SELECT 1 AS a, 'b' AS a, 1.5 WHERE false",
        "SELECT 1 AS a, '{[1,2)}'::int4multirange AS a, 1.5 WHERE false",
        "SELECT 1 AS a, 'pg_class'::regclass AS a, 1.5 WHERE false",
    ] {
        let (recorder, result) = run(&connector, text).await;
        result.unwrap();
        assert!(recorder.rows.is_empty());
        let names: Vec<_> = recorder.columns.unwrap().into_iter().map(|column| column.name).collect();
        assert_eq!(names, ["a", "a", "?column?"], "{text}");
    }
}

#[tokio::test]
async fn describe_tells_the_columns_and_runs_nothing() {
    let connector = connector();
    let text = "SELECT n, 1 / (n - n) AS never FROM generate_series(1, 3) AS n";
    let columns = connector.describe(&statement(text), soon()).await.unwrap();
    let columns: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    assert_eq!(columns, [("n", ColumnType::Integer), ("never", ColumnType::Integer)]);
    // A transaction that only reads is enough to describe what writes.
    execute(&mut beside().await, "DROP TABLE IF EXISTS described; CREATE TABLE described (id int)").await;
    let text = "INSERT INTO described VALUES (1) RETURNING id";
    let columns = connector.describe(&statement(text), soon()).await.unwrap();
    assert_eq!(columns[0].kind, ColumnType::Integer);
    assert_eq!(rows(&connector, "SELECT count(*) FROM described").await, [[json!(0)]]);

    let text = "SELECT '{[1,2)}'::int4multirange AS spans, 1 / (n - n) FROM generate_series(1, 3) AS n";
    let columns = connector.describe(&statement(text), soon()).await.unwrap();
    assert_eq!(columns[0].database_type.as_deref(), Some("int4multirange"));
}

#[tokio::test]
async fn a_type_that_only_a_returning_clause_shows_asks_for_a_cast() {
    let mut beside = beside().await;
    execute(&mut beside, "DROP TABLE IF EXISTS spans; CREATE TABLE spans (span int4multirange)").await;
    let connector = PostgresConnector::new(&endpoint(), Some(&credentials()), &anywhere()).unwrap();
    let (_, result) = run(&connector, "INSERT INTO spans VALUES ('{[1,2)}') RETURNING span").await;
    assert!(result.unwrap_err().message().contains("cast it to text"));
    let (recorder, result) = run(&connector, "INSERT INTO spans VALUES ('{[1,2)}') RETURNING span::text").await;
    result.unwrap();
    assert_eq!(recorder.rows, [[json!("{[1,2)}")]]);
    assert_eq!(recorder.affected, Some(1));
}
