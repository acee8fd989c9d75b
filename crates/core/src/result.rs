//! What a statement gives back: columns, rows streamed into a sink, and what cut them short.

use std::ops::ControlFlow;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Result, value::Cell};

/// The type of a column in an answer. It says how to read the cells; `database_type` says what the source calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// JSON booleans.
    Boolean,
    /// JSON numbers without a fraction; beyond ±(2^53 − 1), where many clients lose digits, JSON strings.
    Integer,
    /// JSON numbers from binary floating point.
    Float,
    /// JSON strings with every digit of an exact decimal.
    Decimal,
    /// JSON strings.
    String,
    /// `YYYY-MM-DD`.
    Date,
    /// `HH:MM:SS[.ffffff]`, with an offset where the database keeps one.
    Time,
    /// RFC 3339; without an offset where the database keeps none.
    Timestamp,
    /// A UUID as text.
    Uuid,
    /// Any JSON.
    Json,
    /// Base64.
    Binary,
    /// Differs from row to row, or is not known before the first row (SQLite expressions).
    Any,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// Its name as the statement gives it; names need not be unique.
    pub name: String,
    /// How to read its cells.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// The source's own name for the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_type: Option<String>,
}

/// What ended a result before the statement had given all its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Truncated {
    /// The row budget.
    Rows,
    /// The byte budget.
    Bytes,
    /// A cell was cut to its budget; the rows are all there.
    Cells,
    /// The wall time.
    Time,
}

/// What a connector does after a row: go on, or close the cursor because the budget is spent.
pub type Flow = ControlFlow<()>;

/// Receives one result set, row by row, and enforces the budget while it does.
///
/// The order of calls is `admitted`, `session_ready`, `columns`, then for each row one `cell` a column and `end_row`, with
/// `drain` whenever [`RowSink::wants_drain`] says so. After `end_row` returned `Break` nothing more may be sent.
#[async_trait]
pub trait RowSink: Send {
    /// Says that the source lets the call in, which waits for a session next. Connectors do not call it.
    fn admitted(&mut self) {}

    /// Says that a session is ready and the statement is about to be sent to the database. It comes before `columns`, and
    /// again when that session was lost and another one is tried.
    fn session_ready(&mut self) {}

    /// The most bytes that all rows may take. A connector may refuse a single value that is larger.
    fn byte_budget(&self) -> u64 {
        u64::MAX
    }

    /// Announces the columns; called once, also when no row follows.
    fn columns(&mut self, columns: Vec<Column>) -> Result<()>;

    /// The next cell of the row under way.
    fn cell(&mut self, cell: Cell<'_>);

    /// Ends the row under way.
    fn end_row(&mut self) -> Flow;

    /// Whether what was encoded so far should be handed on before more rows are read.
    fn wants_drain(&self) -> bool {
        false
    }

    /// Hands on what was encoded so far, waiting while the reader is slow. `Break` means that the reader has gone.
    async fn drain(&mut self) -> Flow {
        Flow::Continue(())
    }

    /// The number of rows changed by a write, when the database says.
    fn affected(&mut self, _rows: u64) {}
}
