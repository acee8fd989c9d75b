//! JSON with rows as objects.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

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
        let mut taken = HashSet::with_capacity(columns.len());
        // The last number that was tried behind a name.
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let keys = columns.iter().enumerate().map(|(index, column)| {
            let mut key = Cow::Borrowed(&*column.name);
            while !taken.insert(key.clone()) {
                let number = numbers.entry(&column.name).or_insert(1);
                *number += 1;
                key = Cow::Owned(format!("{}_{number}", column.name));
            }
            let mut text = Vec::with_capacity(key.len() + 4);
            if index > 0 {
                text.push(b',');
            }
            json_string(&mut text, &key);
            text.push(b':');
            text
        });
        Self(keys.collect())
    }

    /// Writes the key of a column with what stands around it.
    pub(super) fn write(&self, out: &mut Vec<u8>, index: usize) {
        if let Some(key) = self.0.get(index) {
            out.extend_from_slice(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tidegate_core::result::ColumnType;

    use super::*;

    fn keys(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
        let column = |name| Column { name, kind: ColumnType::Any, database_type: None };
        let columns: Vec<Column> = names.into_iter().map(|name| column(name.into())).collect();
        let keys = Keys::of(&columns);
        let mut out = Vec::new();
        (0..columns.len()).for_each(|index| {
            keys.write(&mut out, index);
            out.extend_from_slice(b"0");
        });
        let object = format!("{{{}}}", String::from_utf8(out).unwrap());
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&object).unwrap();
        object.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn a_name_that_comes_again_gets_the_next_number_that_is_free() {
        assert_eq!(keys(["a", "b", "a", "a_2", "a_4", "a", "b"]), ["a", "b", "a_2", "a_2_2", "a_4", "a_3", "b_2"]);
        assert_eq!(keys(["a", "a", "a_2", "a", "a"]), ["a", "a_2", "a_2_2", "a_3", "a_4"]);
    }

    #[test]
    fn thousands_of_equal_names_take_no_time() {
        let began = Instant::now();
        let keys = keys(std::iter::repeat_n("a", 4_096));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!((&*keys[1], &*keys[4_095]), ("a_2", "a_4096"));
    }
}
