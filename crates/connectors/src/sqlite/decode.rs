//! How does each type of the engine become a cell?
//!
//! The stored type of each value decides, never the declared type of its column: SQLite stores a text in an INTEGER
//! column without a word. So a column of type `integer` may hold a JSON string in one row.
//!
//! | stored | cell |
//! |---|---|
//! | NULL | null; SQLite stores NaN as NULL |
//! | INTEGER | integer; booleans are 0 and 1 |
//! | REAL | float |
//! | TEXT | text; bytes when it is not UTF-8, so that nothing is lost |
//! | BLOB | bytes |

use rusqlite::types::ValueRef;
use tidegate_core::value::Cell;

/// The cell of a stored value.
pub(super) fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Integer(value),
        ValueRef::Real(value) => Cell::Float(value),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_or(Cell::Bytes(bytes), Cell::Text),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes),
    }
}
