//! Newline-delimited JSON, for streams.

use tidegate_core::{result::Column, value::Cell};

use super::{
    Encoder, Summary,
    objects::Keys,
    text::{json_cell, json_summary},
};

/// Writes an object a line. The last line is `{"tidegate": {"row_count": …, "truncated": …, "next_cursor": …}}`; a
/// stream without it was broken off.
#[derive(Debug, Default)]
pub struct Ndjson {
    keys: Keys,
}

impl Encoder for Ndjson {
    const MEDIA_TYPE: &'static str = "application/x-ndjson";

    fn columns(&mut self, _out: &mut Vec<u8>, columns: &[Column]) {
        self.keys = Keys::of(columns);
    }

    fn begin_row(&mut self, out: &mut Vec<u8>, _first: bool) {
        out.push(b'{');
    }

    fn cell(&mut self, out: &mut Vec<u8>, index: usize, cell: Cell<'_>) {
        self.keys.write(out, index);
        json_cell(out, cell);
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"}\n");
    }

    fn finish(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        out.extend_from_slice(b"{\"tidegate\":{");
        json_summary(out, summary);
        out.extend_from_slice(b"}}\n");
    }
}
