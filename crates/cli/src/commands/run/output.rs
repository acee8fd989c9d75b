//! Rows for people and for programs.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value as Json;
use tidegate_core::result::{Column, ColumnType};

use super::Page;
use crate::{failure::Failure, terminal};

/// The rows as a table that fits the terminal.
pub(super) fn table(page: &Page) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    if let Some(width) = terminal::width() {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(page.columns.iter().map(|column| Cell::new(terminal::printable(&column.name))));
    let is_number: Vec<bool> = page.columns.iter().map(is_number).collect();
    for row in &page.rows {
        table.add_row(row.iter().zip(&is_number).map(|(value, is_number)| {
            let cell = match value {
                Json::Null => Cell::new("NULL"),
                Json::String(text) => Cell::new(terminal::printable(text)),
                other => Cell::new(terminal::printable(&other.to_string())),
            };
            if *is_number { cell.set_alignment(CellAlignment::Right) } else { cell }
        }));
    }
    format!("{table}\n")
}

fn is_number(column: &Column) -> bool {
    matches!(column.kind, ColumnType::Integer | ColumnType::Float | ColumnType::Decimal)
}

/// The page as the API gives it, indented.
pub(super) fn json(page: &Page) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(page)
        .map_err(|error| Failure::message(format!("the result cannot be written as JSON: {error}")))?;
    Ok(text + "\n")
}

/// Rows as CSV (RFC 4180), written while they arrive.
pub(super) struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    pub(super) fn new(output: W) -> Self {
        Self(csv::Writer::from_writer(output))
    }

    pub(super) fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        self.0.write_record(columns.iter().map(|column| &column.name)).map_err(cause)
    }

    pub(super) fn rows(&mut self, rows: impl IntoIterator<Item = Vec<Json>>) -> io::Result<()> {
        for row in rows {
            for value in row {
                match value {
                    Json::Null => self.0.write_field(""),
                    Json::String(text) => self.0.write_field(text),
                    other => self.0.write_field(other.to_string()),
                }
                .map_err(cause)?;
            }
            self.0.write_record(None::<&[u8]>).map_err(cause)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The kind of the error tells a closed pipe from a fault.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page() -> Page {
        let price: Json = serde_json::from_str("10.50").unwrap();
        serde_json::from_value(json!({
            "columns": [{"name": "name", "type": "string"}, {"name": "price", "type": "decimal"}],
            "rows": [["a,\"b\"", price], ["\u{1b}[2J", null]],
            "row_count": 2, "truncated": null, "next_cursor": null, "elapsed_ms": 3,
        }))
        .unwrap()
    }

    #[test]
    fn a_table_aligns_numbers_and_shows_no_escape_sequence() {
        insta::assert_snapshot!(table(&page()), @r#"
        ┌───────┬───────┐
        │ name  ┆ price │
        ╞═══════╪═══════╡
        │ a,"b" ┆ 10.50 │
        │ �[2J  ┆  NULL │
        └───────┴───────┘
        "#);
    }

    #[test]
    fn csv_quotes_what_needs_it_and_keeps_digits() {
        let mut bytes = Vec::new();
        let mut csv = Csv::new(&mut bytes);
        csv.header(&page().columns).unwrap();
        csv.rows(page().rows).unwrap();
        csv.finish().unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "name,price\n\"a,\"\"b\"\"\",10.50\n\u{1b}[2J,\n");
    }
}
