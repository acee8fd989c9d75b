//! Comma-separated values (RFC 4180).

use tidegate_core::{result::Column, value::Cell};

use super::{Encoder, Summary, text::plain_cell};

/// Writes a header line and a line a row, each ended by CR LF. NULL is an empty field, an empty text is `""`.
#[derive(Debug, Default)]
pub struct Csv;

impl Encoder for Csv {
    const MEDIA_TYPE: &'static str = "text/csv; charset=utf-8";

    fn columns(&mut self, out: &mut Vec<u8>, columns: &[Column]) {
        for (index, column) in columns.iter().enumerate() {
            self.cell(out, index, Cell::Text(&column.name));
        }
        self.end_row(out);
    }

    fn begin_row(&mut self, _out: &mut Vec<u8>, _first: bool) {}

    fn cell(&mut self, out: &mut Vec<u8>, index: usize, cell: Cell<'_>) {
        if index > 0 {
            out.push(b',');
        }
        field(out, cell);
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
    }

    fn finish(&mut self, _out: &mut Vec<u8>, _summary: &Summary) {}
}

/// Writes a field, in quotes where its text needs them (RFC 4180 §2.6 and §2.7).
pub(super) fn field(out: &mut Vec<u8>, cell: Cell<'_>) {
    let (Cell::Text(text) | Cell::Json(text)) = cell else { return plain_cell(out, cell) };
    let plain = !text.is_empty() && !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    if plain {
        return plain_cell(out, cell);
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
