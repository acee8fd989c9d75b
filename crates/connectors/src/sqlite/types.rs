//! Which column type is each type of the engine?
//!
//! SQLite knows only the declared type of a column, if it has one, and derives an affinity from it. A value that the
//! affinity cannot convert is stored as it came, so the column type is what to expect; the cells say what is there.
//! Columns of numeric affinity (DECIMAL, BOOLEAN, DATE …) and expressions hold integers, reals or texts: `any`.

use rusqlite::Statement;
use tidegate_core::result::{Column, ColumnType};

/// The columns of a prepared statement.
pub(super) fn columns(statement: &Statement<'_>) -> Vec<Column> {
    statement
        .columns()
        .iter()
        .map(|column| {
            let declared = column.decl_type();
            Column {
                name: column.name().to_owned(),
                kind: declared.map_or(ColumnType::Any, column_type),
                database_type: declared.map(str::to_owned),
            }
        })
        .collect()
}

/// SQLite's rules of affinity, in their order.
fn column_type(declared: &str) -> ColumnType {
    let declared = declared.to_ascii_uppercase();
    let has = |part: &str| declared.contains(part);
    if has("INT") {
        ColumnType::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        ColumnType::String
    } else if has("BLOB") {
        ColumnType::Binary
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        ColumnType::Float
    } else {
        ColumnType::Any
    }
}
