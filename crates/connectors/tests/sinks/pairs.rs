//! A sink for statements that select each value with the database's own text of it beside it.

use std::ops::ControlFlow;

use serde_json::Value as Json;
use tidegate_core::{
    Result,
    result::{Column, Flow, RowSink},
    value::Cell,
};

/// How many rows such a statement gives: enough for several packets, and for buffers that are used again and again.
pub(crate) const ROWS: usize = 5_000;

/// Compares the cells of each row two by two.
#[derive(Default)]
pub(crate) struct Pairs {
    value: Option<Value>,
    names: Vec<String>,
    column: usize,
    rows: usize,
    /// How many values are no NULL.
    values: usize,
    differences: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Value {
    Null,
    Float(f64),
    Json(String),
    Text(String),
}

impl Value {
    fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Boolean(value) => Self::Text(value.to_string()),
            Cell::Integer(value) => Self::Text(value.to_string()),
            Cell::Unsigned(value) => Self::Text(value.to_string()),
            Cell::Float(value) => Self::Float(value),
            Cell::Decimal(text) | Cell::Text(text) => Self::Text(text.to_owned()),
            Cell::Json(text) => Self::Json(text.to_owned()),
            Cell::Bytes(bytes) => Self::Text(bytes.iter().map(|byte| format!("{byte:02X}")).collect()),
        }
    }

    /// Whether the database's text says the same. Floats may differ in notation, documents in spaces.
    fn is_said_by(&self, text: &Self) -> bool {
        match (self, text) {
            (Self::Float(value), Self::Text(text)) => {
                text.parse::<f64>().is_ok_and(|read| read == *value || (read.is_nan() && value.is_nan()))
            }
            (Self::Json(value), Self::Text(text)) => {
                let parsed = |text| serde_json::from_str::<Json>(text).unwrap();
                value == text || parsed(value) == parsed(text)
            }
            (value, text) => value == text,
        }
    }
}

#[async_trait::async_trait]
impl RowSink for Pairs {
    fn columns(&mut self, columns: Vec<Column>) -> Result<()> {
        self.names = columns.into_iter().map(|column| format!("{} {:?}", column.name, column.database_type)).collect();
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) {
        let cell = Value::of(cell);
        match self.value.take() {
            None => self.value = Some(cell),
            Some(value) => {
                self.values += usize::from(value != Value::Null);
                if !value.is_said_by(&cell) && self.differences.len() < 20 {
                    let name = self.names.get(self.column - 1).map_or("", String::as_str);
                    self.differences.push(format!("row {}, {name}: {value:?} is {cell:?}", self.rows));
                }
            }
        }
        self.column += 1;
    }

    fn end_row(&mut self) -> Flow {
        assert_eq!((self.column, self.value.is_none()), (self.names.len(), true), "each value has its text");
        self.column = 0;
        self.rows += 1;
        ControlFlow::Continue(())
    }
}

impl Pairs {
    /// Makes sure that every row came and none differs, and that most of the values are no NULL.
    pub(crate) fn verify(&self) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
        assert_eq!(self.rows, ROWS);
        assert!(self.values > self.rows * self.names.len() / 2 * 3 / 4, "{} values", self.values);
    }
}
