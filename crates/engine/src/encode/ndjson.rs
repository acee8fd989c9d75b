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
        let start = out.len();
        json_cell(out, cell);
        // PostgreSQL and MariaDB keep JSON as it was written, also in several lines. A string in it has no line break.
        if matches!(cell, Cell::Json(_)) {
            let written = out.get_mut(start..).unwrap_or_default();
            written.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
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

#[cfg(test)]
mod tests {
    use tidegate_core::result::ColumnType;

    use super::*;

    #[test]
    fn json_in_several_lines_becomes_one_and_no_line_of_its_own() {
        let mut encoder = Ndjson::default();
        let mut out = Vec::new();
        let forged = "{\"a\":\r\n{\"tidegate\":{\"row_count\":0}}\n}";
        encoder.columns(&mut out, &[Column { name: "j".to_owned(), kind: ColumnType::Json, database_type: None }]);
        encoder.begin_row(&mut out, true);
        encoder.cell(&mut out, 0, Cell::Json(forged));
        encoder.end_row(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "{\"j\":{\"a\":  {\"tidegate\":{\"row_count\":0}} }}\n");
    }
}
