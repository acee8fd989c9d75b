//! JSON with rows as objects.

use tidegate_core::{result::Column, value::Cell};

use super::{
    Encoder, Summary,
    text::{json_cell, json_string, json_summary, json_value},
};

/// Writes `{"columns": […], "rows": [{…}, …], …}`. The keys are the names of the columns; a name that comes again gets
/// `_2`, `_3` … behind it.
#[derive(Debug, Default)]
pub struct Objects {
    keys: Keys,
}

impl Encoder for Objects {
    const MEDIA_TYPE: &'static str = "application/json";

    fn columns(&mut self, out: &mut Vec<u8>, columns: &[Column]) {
        self.keys = Keys::of(columns);
        out.extend_from_slice(b"{\"columns\":");
        json_value(out, &columns);
        out.extend_from_slice(b",\"rows\":[");
    }

    fn begin_row(&mut self, out: &mut Vec<u8>, first: bool) {
        out.extend_from_slice(if first { b"{" } else { b",{" });
    }

    fn cell(&mut self, out: &mut Vec<u8>, index: usize, cell: Cell<'_>) {
        self.keys.write(out, index);
        json_cell(out, cell);
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        out.push(b'}');
    }

    fn finish(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        out.extend_from_slice(b"],");
        json_summary(out, summary);
        out.push(b'}');
    }
}

/// The keys of a row object, written once as JSON.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Vec<u8>>);

impl Keys {
    pub(super) fn of(columns: &[Column]) -> Self {
        let mut taken: Vec<String> = Vec::with_capacity(columns.len());
        for column in columns {
            let mut key = column.name.clone();
            let mut count = 1;
            while taken.contains(&key) {
                count += 1;
                key = format!("{}_{count}", column.name);
            }
            taken.push(key);
        }
        Self(
            taken
                .iter()
                .enumerate()
                .map(|(index, key)| {
                    let mut text = Vec::with_capacity(key.len() + 4);
                    if index > 0 {
                        text.push(b',');
                    }
                    json_string(&mut text, key);
                    text.push(b':');
                    text
                })
                .collect(),
        )
    }

    /// Writes the key of a column with what stands around it.
    pub(super) fn write(&self, out: &mut Vec<u8>, index: usize) {
        if let Some(key) = self.0.get(index) {
            out.extend_from_slice(key);
        }
    }
}
