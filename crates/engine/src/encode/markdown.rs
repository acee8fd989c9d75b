//! A Markdown table (GitHub Flavored Markdown §4.10).

use std::io::Write;

use tidegate_core::{result::Column, value::Cell};

use super::{Encoder, Summary, text::plain_cell};

/// Writes a table; NULL is an empty cell. A line behind it says when the result was cut.
#[derive(Debug, Default)]
pub struct Markdown;

impl Encoder for Markdown {
    const MEDIA_TYPE: &'static str = "text/markdown; charset=utf-8";

    fn columns(&mut self, out: &mut Vec<u8>, columns: &[Column]) {
        for (index, column) in columns.iter().enumerate() {
            self.cell(out, index, Cell::Text(&column.name));
        }
        self.end_row(out);
        for _ in columns {
            out.extend_from_slice(b"|---");
        }
        self.end_row(out);
    }

    fn begin_row(&mut self, _out: &mut Vec<u8>, _first: bool) {}

    fn cell(&mut self, out: &mut Vec<u8>, _index: usize, cell: Cell<'_>) {
        out.extend_from_slice(b"| ");
        match cell {
            Cell::Text(text) | Cell::Json(text) => {
                for byte in text.bytes() {
                    match byte {
                        b'|' => out.extend_from_slice(b"\\|"),
                        b'\n' => out.extend_from_slice(b"<br>"),
                        b'\r' => {}
                        _ => out.push(byte),
                    }
                }
            }
            _ => plain_cell(out, cell),
        }
        out.push(b' ');
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"|\n");
    }

    fn finish(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        if let Some(note) = note(summary) {
            let _ = write!(out, "\n{note}\n");
        }
    }
}

/// A sentence about a result that was cut; none for a whole one.
pub(super) fn note(summary: &Summary) -> Option<String> {
    use tidegate_core::result::Truncated;
    let rows = summary.row_count;
    let cut = match summary.truncated? {
        Truncated::Rows => format!("Cut after {rows} rows."),
        Truncated::Bytes => format!("Cut after {rows} rows by the byte budget."),
        Truncated::Time => format!("Cut after {rows} rows by the time budget."),
        Truncated::Cells => "Some cells were cut to their budget.".to_owned(),
    };
    Some(match &summary.next_cursor {
        Some(cursor) => format!("{cut} Go on with cursor: {cursor}"),
        None => cut,
    })
}
