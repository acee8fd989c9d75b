//! The encodings of a result.
//!
//! An encoder writes straight from the driver's cell into the response buffer. It never sees a whole row set.

use serde::{Deserialize, Serialize};
use tidegate_core::{
    result::{Column, Truncated},
    value::Cell,
};
use utoipa::ToSchema;

mod csv;
mod json;
mod markdown;
mod ndjson;
mod objects;
mod text;
mod tool;

pub use self::{csv::Csv, json::Json, markdown::Markdown, ndjson::Ndjson, objects::Objects, tool::Tool};

/// What is known of a result when its last row is written.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The rows of this page.
    pub row_count: u64,
    /// What cut it.
    pub truncated: Option<Truncated>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// How long the call took.
    pub elapsed: std::time::Duration,
}

/// Writes one result set into a buffer.
pub trait Encoder: Send + 'static {
    /// The media type of what it writes.
    const MEDIA_TYPE: &'static str;

    /// Writes what stands before the rows.
    fn columns(&mut self, out: &mut Vec<u8>, columns: &[Column]);

    /// Begins a row.
    fn begin_row(&mut self, out: &mut Vec<u8>, first: bool);

    /// Writes a cell; `index` is its column.
    fn cell(&mut self, out: &mut Vec<u8>, index: usize, cell: Cell<'_>);

    /// Ends the row.
    fn end_row(&mut self, out: &mut Vec<u8>);

    /// Takes the row under way back from what the encoder keeps beside the buffer.
    fn undo_row(&mut self) {}

    /// The bytes that the encoder keeps beside the buffer.
    fn held(&self) -> usize {
        0
    }

    /// Writes what stands behind the rows.
    fn finish(&mut self, out: &mut Vec<u8>, summary: &Summary);
}

/// The encodings a caller may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `application/json`: columns once, rows as arrays.
    #[default]
    Json,
    /// `application/json`: rows as objects.
    Objects,
    /// `text/csv` (RFC 4180) with a header line.
    Csv,
    /// `text/markdown`: a table.
    Markdown,
    /// `application/x-ndjson`: an object a line, streamed; the last line is `{"tidegate": …}` with the summary.
    Ndjson,
}
