//! Columnar JSON: columns once, rows as arrays.

use tidegate_core::{result::Column, value::Cell};

use super::{
    Encoder, Summary,
    text::{json_cell, json_summary, json_value},
};

/// Writes `{"columns": […], "rows": [[…], …], "row_count": …, "truncated": …, "next_cursor": …, "elapsed_ms": …}`.
#[derive(Debug, Default)]
pub struct Json;

impl Encoder for Json {
    const MEDIA_TYPE: &'static str = "application/json";

    fn columns(&mut self, out: &mut Vec<u8>, columns: &[Column]) {
        out.extend_from_slice(b"{\"columns\":");
        json_value(out, &columns);
        out.extend_from_slice(b",\"rows\":[");
    }

    fn begin_row(&mut self, out: &mut Vec<u8>, first: bool) {
        out.extend_from_slice(if first { b"[" } else { b",[" });
    }

    fn cell(&mut self, out: &mut Vec<u8>, index: usize, cell: Cell<'_>) {
        if index > 0 {
            out.push(b',');
        }
        json_cell(out, cell);
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        out.push(b']');
    }

    fn finish(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        out.extend_from_slice(b"],");
        json_summary(out, summary);
        out.push(b'}');
    }
}
