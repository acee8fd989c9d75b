//! Every type comes back exact, or as the documentation says.

use rstest::rstest;
use tidegate_connectors::Connector;
use tidegate_core::{ErrorCode, result::ColumnType};

use crate::source::{
    Product::{self, MariaDb, MySql},
    Recording, deadline, run, single, statement,
};

/// A declared type, a value of it, and what comes back: the database's name, the column type and the cell.
type Case = (&'static str, &'static str, &'static str, ColumnType, &'static str);

/// The types of both products.
const COMMON: &[Case] = &[
    ("tinyint", "-128", "TINYINT", ColumnType::Integer, "Integer(-128)"),
    ("tinyint(1)", "2", "TINYINT", ColumnType::Integer, "Integer(2)"),
    ("tinyint(1) unsigned", "255", "TINYINT UNSIGNED", ColumnType::Integer, "Unsigned(255)"),
    ("tinyint unsigned", "255", "TINYINT UNSIGNED", ColumnType::Integer, "Unsigned(255)"),
    ("smallint", "-32768", "SMALLINT", ColumnType::Integer, "Integer(-32768)"),
    ("smallint unsigned", "65535", "SMALLINT UNSIGNED", ColumnType::Integer, "Unsigned(65535)"),
    ("mediumint", "-8388608", "MEDIUMINT", ColumnType::Integer, "Integer(-8388608)"),
    ("mediumint unsigned", "16777215", "MEDIUMINT UNSIGNED", ColumnType::Integer, "Unsigned(16777215)"),
    ("int", "-2147483648", "INT", ColumnType::Integer, "Integer(-2147483648)"),
    ("int unsigned", "4294967295", "INT UNSIGNED", ColumnType::Integer, "Unsigned(4294967295)"),
    ("int(8) zerofill", "42", "INT UNSIGNED", ColumnType::Integer, "Unsigned(42)"),
    ("bigint", "-9223372036854775808", "BIGINT", ColumnType::Integer, "Integer(-9223372036854775808)"),
    (
        "bigint unsigned",
        "18446744073709551615",
        "BIGINT UNSIGNED",
        ColumnType::Integer,
        "Unsigned(18446744073709551615)",
    ),
    ("bit(1)", "b'1'", "BIT", ColumnType::Integer, "Unsigned(1)"),
    ("bit(8)", "b'10000000'", "BIT", ColumnType::Integer, "Unsigned(128)"),
    ("bit(64)", "0xffffffffffffffff", "BIT", ColumnType::Integer, "Unsigned(18446744073709551615)"),
    ("year", "1901", "YEAR", ColumnType::Integer, "Unsigned(1901)"),
    (
        "decimal(30,10)",
        "-12345678901234567890.1234567800",
        "DECIMAL",
        ColumnType::Decimal,
        r#"Decimal("-12345678901234567890.1234567800")"#,
    ),
    ("decimal(10,2)", "1.10", "DECIMAL", ColumnType::Decimal, r#"Decimal("1.10")"#),
    ("decimal(8,2) zerofill", "1.50", "DECIMAL", ColumnType::Decimal, r#"Decimal("1.50")"#),
    (
        "decimal(65,0)",
        "-1e64",
        "DECIMAL",
        ColumnType::Decimal,
        concat!("Decimal(\"-1", "0000000000000000000000000000000000000000000000000000000000000000", "\")"),
    ),
    ("float", "0.1", "FLOAT", ColumnType::Float, "Float(0.1)"),
    ("double", "-1.7976931348623157e308", "DOUBLE", ColumnType::Float, "Float(-1.7976931348623157e308)"),
    ("char(4)", "'aé'", "CHAR", ColumnType::String, r#"Text("aé")"#),
    ("varchar(20)", "'日本 🦀'", "VARCHAR", ColumnType::String, r#"Text("日本 🦀")"#),
    ("varchar(20) collate utf8mb4_bin", "'É'", "VARCHAR", ColumnType::String, r#"Text("É")"#),
    ("char(5) collate utf8mb4_bin", "'é'", "CHAR", ColumnType::String, r#"Text("é")"#),
    ("varchar(20) character set latin1", "'é'", "VARCHAR", ColumnType::String, r#"Text("é")"#),
    ("text", "''", "TEXT", ColumnType::String, r#"Text("")"#),
    ("longtext collate utf8mb4_bin", "'x'", "TEXT", ColumnType::String, r#"Text("x")"#),
    ("enum('a','ß')", "'ß'", "ENUM", ColumnType::String, r#"Text("ß")"#),
    ("set('a','b','c')", "'c,a'", "CHAR", ColumnType::String, r#"Text("a,c")"#),
    ("binary(3)", "'ab'", "BINARY", ColumnType::Binary, "Bytes([97, 98, 0])"),
    ("varbinary(9)", "'text'", "VARBINARY", ColumnType::Binary, "Bytes([116, 101, 120, 116])"),
    ("blob", "0xff00", "BLOB", ColumnType::Binary, "Bytes([255, 0])"),
    ("date", "'9999-12-31'", "DATE", ColumnType::Date, r#"Text("9999-12-31")"#),
    ("date", "'0000-00-00'", "DATE", ColumnType::Date, r#"Text("0000-00-00")"#),
    ("date", "'2024-05-00'", "DATE", ColumnType::Date, r#"Text("2024-05-00")"#),
    ("datetime", "'1000-01-01 00:00:00'", "DATETIME", ColumnType::Timestamp, r#"Text("1000-01-01T00:00:00")"#),
    (
        "datetime(6)",
        "'2024-02-29 23:59:59.000001'",
        "DATETIME",
        ColumnType::Timestamp,
        r#"Text("2024-02-29T23:59:59.000001")"#,
    ),
    ("datetime", "'0000-00-00 00:00:00'", "DATETIME", ColumnType::Timestamp, r#"Text("0000-00-00T00:00:00")"#),
    (
        "timestamp(3) null",
        "'2024-02-29 12:00:00.5'",
        "TIMESTAMP",
        ColumnType::Timestamp,
        r#"Text("2024-02-29T12:00:00.500000Z")"#,
    ),
    ("timestamp null", "'0000-00-00 00:00:00'", "TIMESTAMP", ColumnType::Timestamp, r#"Text("0000-00-00T00:00:00Z")"#),
    ("time(6)", "'-838:59:58.999999'", "TIME", ColumnType::Time, r#"Text("-838:59:58.999999")"#),
    ("time", "'838:59:59'", "TIME", ColumnType::Time, r#"Text("838:59:59")"#),
    ("time", "'0:00:00'", "TIME", ColumnType::Time, r#"Text("00:00:00")"#),
    (
        "point",
        "ST_GeomFromText('POINT(1 2)', 3857)",
        "GEOMETRY",
        ColumnType::Binary,
        "Bytes([17, 15, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 64])",
    ),
];

const OF_MARIADB: &[Case] = &[
    ("json", "'{\"a\": 1.10}'", "TEXT", ColumnType::String, r#"Text("{\"a\": 1.10}")"#),
    (
        "uuid",
        "'123e4567-e89b-12d3-a456-426655440000'",
        "CHAR",
        ColumnType::String,
        r#"Text("123e4567-e89b-12d3-a456-426655440000")"#,
    ),
    ("inet6", "'::1'", "CHAR", ColumnType::String, r#"Text("::1")"#),
];

const OF_MYSQL: &[Case] = &[
    // The server stores the number, not its digits.
    ("json", "'{\"a\": 1.10}'", "JSON", ColumnType::Json, r#"Json("{\"a\": 1.1}")"#),
    ("json", "'\"text\"'", "JSON", ColumnType::Json, r#"Json("\"text\"")"#),
];

impl Product {
    /// The types to try.
    fn cases(self) -> Vec<Case> {
        let own = match self {
            MariaDb => OF_MARIADB,
            MySql => OF_MYSQL,
        };
        [COMMON, own].concat()
    }
}

#[rstest]
#[tokio::test]
async fn every_type_comes_back_exact_or_as_documented(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    let cases = on.cases();
    let name = |index: usize| format!("c{index}");
    let definitions: Vec<_> =
        cases.iter().enumerate().map(|(index, case)| format!("{} {}", name(index), case.0)).collect();
    let values: Vec<_> = cases.iter().map(|case| case.1).collect();
    on.set_up(&format!(
        "SET sql_mode = ''; DROP TABLE IF EXISTS every_type; CREATE TABLE every_type (id int primary key, {}); \
         INSERT INTO every_type VALUES (1, {}); INSERT INTO every_type (id) VALUES (2)",
        definitions.join(", "),
        values.join(", ")
    ))
    .await;

    let names: Vec<_> = (0..cases.len()).map(name).collect();
    let query = format!("SELECT {} FROM every_type ORDER BY id", names.join(", "));
    let recording = run(&connector, &query).await;
    let columns = recording.columns.as_ref().unwrap();
    for (index, &(declared, value, database_type, kind, cell)) in cases.iter().enumerate() {
        let column = &columns[index];
        let got =
            (column.name.clone(), column.database_type.as_deref(), column.kind, recording.rows[0][index].as_str());
        assert_eq!(got, (name(index), Some(database_type), kind, cell), "{declared} {value}");
        assert_eq!(recording.rows[1][index], "Null", "{declared}");
    }

    let described = connector.describe(&statement(&query), deadline()).await.unwrap();
    assert_eq!(&described, columns, "what is described is what comes");
}

#[rstest]
#[tokio::test]
async fn expressions_have_the_types_that_the_server_gives_them(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    let recording = run(
        &connector,
        "SELECT NULL AS n, 1 = 1 AS b, 1 / 3 AS d, CAST('a' AS BINARY) AS x, JSON_OBJECT('a', 1.10) AS j, \
         CONCAT('a', 1) AS t, NOW() IS NULL AS q, LENGTH(UUID()) AS u",
    )
    .await;
    let kinds: Vec<_> = recording.columns.unwrap().iter().map(|column| column.kind).collect();
    use ColumnType::{Any, Binary, Decimal, Integer, Json, String};
    let (json, document) = match on {
        MariaDb => (String, r#"Text("{\"a\": 1.10}")"#),
        MySql => (Json, r#"Json("{\"a\": 1.10}")"#),
    };
    assert_eq!(kinds, [Any, Integer, Decimal, Binary, json, String, Integer, Integer]);
    let cells = [
        "Null",
        "Integer(1)",
        r#"Decimal("0.3333")"#,
        "Bytes([97])",
        document,
        r#"Text("a1")"#,
        "Integer(0)",
        "Integer(36)",
    ];
    assert_eq!(recording.rows, [cells]);
}

#[rstest]
#[tokio::test]
async fn columns_are_announced_without_rows_and_names_may_repeat(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector();
    let recording = run(&connector, "SELECT 1 AS same, 'a' AS same FROM DUAL WHERE 1 = 0").await;
    let columns = recording.columns.unwrap();
    assert!(columns.iter().all(|column| column.name == "same"), "{columns:?}");
    assert_eq!((columns.len(), recording.rows.len()), (2, 0));
}

#[tokio::test]
async fn a_type_that_the_driver_does_not_know_says_how_to_read_it() {
    let connector = MySql.connector_with_one_session();
    MySql.set_up("DROP TABLE IF EXISTS vectors; CREATE TABLE vectors (v vector(2)); INSERT INTO vectors VALUES (TO_VECTOR('[1,2]'))").await;
    let (_, ran) = connector.run(statement("SELECT v FROM vectors"), deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DatabaseError);
    assert!(error.message().contains("VECTOR_TO_STRING"), "{error}");
    assert_eq!(
        single(&connector, "SELECT VECTOR_TO_STRING(v) FROM vectors").await,
        r#"Text("[1.00000e+00,2.00000e+00]")"#
    );
}
