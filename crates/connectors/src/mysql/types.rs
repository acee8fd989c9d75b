//! Which column type is each type of MySQL and MariaDB.
//!
//! | MySQL | cell |
//! |---|---|
//! | integers, also `tinyint(1)`, `year` | integer: a `tinyint(1)` may hold 2, which no boolean can |
//! | `bit(n)` | integer |
//! | `decimal` | decimal, with every digit of its scale |
//! | `float`, `double` | float; a `float` as the shortest decimal that reads back as the same `float` |
//! | text types, `enum`, `set`, `uuid`, `inet6` | text |
//! | `binary`, `varbinary`, `blob` | bytes |
//! | `json` of MySQL | JSON. MariaDB's `json` is an alias of `longtext`, and text |
//! | `date` | `YYYY-MM-DD` |
//! | `datetime` | RFC 3339 without an offset |
//! | `timestamp` | RFC 3339 in UTC, with `Z` |
//! | `time` | `[-]HH:MM:SS[.ffffff]`, up to 838 hours |
//! | geometry | bytes: four of SRID, then WKB |
//!
//! Text and bytes are told apart by the collation: the server transcodes whatever has one to the session's UTF-8, and
//! sends the collation `binary` as it is. So a column of collation `utf8mb4_bin` is text.
//!
//! The driver does not say of a text type how long it may be, nor that it is a `set`: these are named `TEXT` and `CHAR`.
//!
//! Zero dates, whole or in part (`0000-00-00`, `2024-05-00`), keep their digits, so that they differ from NULL.

use sqlx::{
    Column as _, Type, TypeInfo,
    mysql::{MySql, MySqlColumn, MySqlTypeInfo},
};
use tidegate_core::result::{Column, ColumnType};

/// How the values of a column stand in the binary protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Null,
    Signed,
    Unsigned,
    Bit,
    Float,
    Double,
    Decimal,
    Text,
    Bytes,
    Json,
    Date,
    Datetime,
    Timestamp,
    Time,
}

impl Encoding {
    fn column_type(self) -> ColumnType {
        match self {
            Self::Null => ColumnType::Any,
            Self::Signed | Self::Unsigned | Self::Bit => ColumnType::Integer,
            Self::Float | Self::Double => ColumnType::Float,
            Self::Decimal => ColumnType::Decimal,
            Self::Text => ColumnType::String,
            Self::Bytes => ColumnType::Binary,
            Self::Json => ColumnType::Json,
            Self::Date => ColumnType::Date,
            Self::Datetime | Self::Timestamp => ColumnType::Timestamp,
            Self::Time => ColumnType::Time,
        }
    }
}

/// The columns of a result, as they are announced.
pub(super) fn columns(columns: &[MySqlColumn]) -> Vec<Column> {
    columns
        .iter()
        .map(|column| Column {
            name: column.name().to_owned(),
            kind: encoding(column.type_info()).column_type(),
            database_type: Some(database_type(column.type_info()).to_owned()),
        })
        .collect()
}

/// How to read each column of a result.
pub(super) fn encodings(columns: &[MySqlColumn]) -> Vec<Encoding> {
    columns.iter().map(|column| encoding(column.type_info())).collect()
}

fn encoding(info: &MySqlTypeInfo) -> Encoding {
    match info.name() {
        "NULL" => Encoding::Null,
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => Encoding::Signed,
        "BOOLEAN" if !is_unsigned(info) => Encoding::Signed,
        "BOOLEAN" | "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED"
        | "BIGINT UNSIGNED" | "YEAR" => Encoding::Unsigned,
        "BIT" => Encoding::Bit,
        "FLOAT" => Encoding::Float,
        "DOUBLE" => Encoding::Double,
        "DECIMAL" => Encoding::Decimal,
        "JSON" => Encoding::Json,
        "DATE" => Encoding::Date,
        "DATETIME" => Encoding::Datetime,
        "TIMESTAMP" => Encoding::Timestamp,
        "TIME" => Encoding::Time,
        _ if is_text(info) => Encoding::Text,
        _ => Encoding::Bytes,
    }
}

/// The server's name for the type. The driver names by the flag `BINARY`, which text of a `_bin` collation has as well.
fn database_type(info: &MySqlTypeInfo) -> &str {
    match info.name() {
        "BOOLEAN" if is_unsigned(info) => "TINYINT UNSIGNED",
        "BOOLEAN" => "TINYINT",
        "BINARY" if is_text(info) => "CHAR",
        "VARBINARY" if is_text(info) => "VARCHAR",
        "TINYBLOB" if is_text(info) => "TINYTEXT",
        "BLOB" if is_text(info) => "TEXT",
        "MEDIUMBLOB" if is_text(info) => "MEDIUMTEXT",
        "LONGBLOB" if is_text(info) => "LONGTEXT",
        name => name,
    }
}

fn is_unsigned(info: &MySqlTypeInfo) -> bool {
    <u64 as Type<MySql>>::compatible(info)
}

/// Whether it has a collation other than `binary`. The driver shows the collation in no other way.
fn is_text(info: &MySqlTypeInfo) -> bool {
    <str as Type<MySql>>::compatible(info)
}
