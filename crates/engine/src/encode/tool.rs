//! The two blocks of an MCP tool result, written in one pass: structured content and compact text.

use tidegate_core::{result::Column, value::Cell};

use super::{Encoder, Json, Summary, csv::field, markdown::note};

/// Writes columnar JSON into the buffer and, beside it, the same rows as comma-separated text. The text costs a model
/// about half the tokens of the JSON.
#[derive(Debug, Default)]
pub struct Tool {
    text: Vec<u8>,
    row_start: usize,
}

impl Tool {
    /// The text block.
    pub fn into_text(self) -> String {
        // Every cell was written from a `str`, so this does not copy.
        String::from_utf8(self.text).unwrap_or_default()
    }
}

impl Encoder for Tool {
    const MEDIA_TYPE: &'static str = "application/json";

    fn columns(&mut self, out: &mut Vec<u8>, columns: &[Column]) {
        Json.columns(out, columns);
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            field(&mut self.text, Cell::Text(&column.name));
        }
        self.text.push(b'\n');
    }

    fn begin_row(&mut self, out: &mut Vec<u8>, first: bool) {
        self.row_start = self.text.len();
        Json.begin_row(out, first);
    }

    fn cell(&mut self, out: &mut Vec<u8>, index: usize, cell: Cell<'_>) {
        Json.cell(out, index, cell);
        if index > 0 {
            self.text.push(b',');
        }
        field(&mut self.text, cell);
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        Json.end_row(out);
        self.text.push(b'\n');
    }

    fn undo_row(&mut self) {
        self.text.truncate(self.row_start);
    }

    fn held(&self) -> usize {
        self.text.len()
    }

    fn finish(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        Json.finish(out, summary);
        if summary.row_count == 0 {
            self.text.extend_from_slice(b"(no rows)\n");
        }
        if let Some(note) = note(summary) {
            self.text.extend_from_slice(note.as_bytes());
        }
    }
}
