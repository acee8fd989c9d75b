//! Which cell does each stored value become, whatever its column was declared as?

use tidegate_connectors::Connector;
use tidegate_core::result::ColumnType;

use crate::fixture::{Fixture, soon, statement};

const INT: ColumnType = ColumnType::Integer;
const TEXT: ColumnType = ColumnType::String;
const REAL: ColumnType = ColumnType::Float;
const BLOB: ColumnType = ColumnType::Binary;
const ANY: ColumnType = ColumnType::Any;

/// Declared type, value as SQL, type of the column, cell.
const CASES: &[(&str, &str, ColumnType, &str)] = &[
    ("INTEGER", "1", INT, "Integer(1)"),
    ("INTEGER", "9223372036854775807", INT, "Integer(9223372036854775807)"),
    ("BIGINT", "-9223372036854775808", INT, "Integer(-9223372036854775808)"),
    ("INTEGER", "9223372036854775808", INT, "Float(9.223372036854776e18)"),
    ("INTEGER", "'many'", INT, "Text(\"many\")"),
    ("INTEGER", "'12'", INT, "Integer(12)"),
    ("INTEGER", "1.5", INT, "Float(1.5)"),
    ("UNSIGNED BIG INT", "NULL", INT, "Null"),
    ("TEXT", "12", TEXT, "Text(\"12\")"),
    ("VARCHAR(10)", "'longer than ten characters'", TEXT, "Text(\"longer than ten characters\")"),
    ("NVARCHAR(3)", "x'00ff'", TEXT, "Bytes([0, 255])"),
    ("CLOB", "'é 漢 🌊'", TEXT, "Text(\"é 漢 🌊\")"),
    ("TEXT", "''", TEXT, "Text(\"\")"),
    ("TEXT", "'a' || char(0) || 'b'", TEXT, "Text(\"a\\0b\")"),
    ("TEXT", "CAST(x'63ff65' AS TEXT)", TEXT, "Bytes([99, 255, 101])"),
    ("TEXT", "'12345678901234567890123456789012345678'", TEXT, "Text(\"12345678901234567890123456789012345678\")"),
    ("REAL", "1", REAL, "Float(1.0)"),
    ("DOUBLE PRECISION", "1e308", REAL, "Float(1e308)"),
    ("FLOAT", "1e999", REAL, "Float(inf)"),
    ("REAL", "1e999 - 1e999", REAL, "Null"),
    ("REAL", "'fast'", REAL, "Text(\"fast\")"),
    ("BLOB", "x''", BLOB, "Bytes([])"),
    ("BLOB", "x'0001'", BLOB, "Bytes([0, 1])"),
    ("BLOB", "'text'", BLOB, "Text(\"text\")"),
    ("DECIMAL(38,10)", "1.10", ANY, "Float(1.1)"),
    ("NUMERIC", "'123456789012345678901234567890.12345678'", ANY, "Float(1.2345678901234568e29)"),
    ("BOOLEAN", "TRUE", ANY, "Integer(1)"),
    ("BOOLEAN", "'yes'", ANY, "Text(\"yes\")"),
    ("DATE", "'2013-01-31'", ANY, "Text(\"2013-01-31\")"),
    ("DATETIME", "1357000000", ANY, "Integer(1357000000)"),
    ("JSON", "'{\"a\": 1}'", ANY, "Text(\"{\\\"a\\\": 1}\")"),
];

#[tokio::test]
async fn each_stored_value_becomes_its_cell() {
    let columns: Vec<String> = CASES.iter().enumerate().map(|(n, case)| format!("c{n} {}", case.0)).collect();
    let values: Vec<&str> = CASES.iter().map(|case| case.1).collect();
    let fixture =
        Fixture::new(&format!("CREATE TABLE t ({}); INSERT INTO t VALUES ({})", columns.join(", "), values.join(", ")));
    let described = fixture.connector.describe(&statement("SELECT * FROM t"), soon()).await.unwrap();
    let recorder = fixture.run("SELECT * FROM t").await.unwrap();
    assert_eq!(recorder.columns, described);
    for (((declared, value, kind, cell), column), seen) in CASES.iter().zip(&described).zip(&recorder.rows[0]) {
        assert_eq!(seen, cell, "{declared} {value}");
        assert_eq!((column.kind, column.database_type.as_deref()), (*kind, Some(*declared)), "{declared}");
    }
}

#[tokio::test]
async fn expressions_and_columns_without_a_type_are_of_any_type() {
    let fixture = Fixture::new("CREATE TABLE t (a, b INTEGER); INSERT INTO t VALUES ('x', 2)");
    let recorder = fixture.run("SELECT a, b + 1 AS c, count(*), a FROM t").await.unwrap();
    let seen: Vec<_> = recorder.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    assert_eq!(seen, [("a", ANY), ("c", ANY), ("count(*)", ANY), ("a", ANY)]);
    assert!(recorder.columns.iter().all(|column| column.database_type.is_none()));
    assert_eq!(recorder.rows, [["Text(\"x\")", "Integer(3)", "Integer(1)", "Text(\"x\")"]]);
}

#[tokio::test]
async fn text_of_a_utf_16_file_is_the_same_text() {
    let fixture = Fixture::new("PRAGMA encoding = 'UTF-16le'; CREATE TABLE \"größe\" (\"漢\" TEXT)");
    fixture.direct().execute_batch("INSERT INTO \"größe\" VALUES ('🌊 é')").unwrap();
    let recorder = fixture.run("SELECT * FROM \"größe\"").await.unwrap();
    assert_eq!(recorder.columns[0].name, "漢");
    assert_eq!(recorder.rows, [["Text(\"🌊 é\")"]]);
}
