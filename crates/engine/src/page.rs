//! Where a page ends, for queries that declare the columns they are ordered by.

use tidegate_core::{
    Error, ErrorCode, Result,
    query::OrderColumn,
    result::{Column, ColumnType},
    value::Cell,
};
use tidegate_statement::{KeyValue, Position};

/// The values of the order columns of the last row written. The next page begins after them.
pub struct OrderKey {
    names: Vec<String>,
    places: Vec<(usize, ColumnType)>,
    row: Vec<Result<KeyValue>>,
    kept: Vec<Result<KeyValue>>,
}

impl OrderKey {
    /// The key of these columns.
    pub fn of(order: &[OrderColumn]) -> Self {
        let names = order.iter().map(|column| column.column.clone()).collect();
        Self { names, places: Vec::new(), row: Vec::new(), kept: Vec::new() }
    }

    /// Finds the columns in the result.
    pub(crate) fn locate(&mut self, columns: &[Column]) -> Result<()> {
        self.places = self.names.iter().map(|name| locate(name, columns)).collect::<Result<_>>()?;
        let missing = || Err(Error::internal("a row ended before its order columns"));
        self.row.resize_with(self.places.len(), missing);
        Ok(())
    }

    /// Notes the cell if it belongs to the key.
    pub(crate) fn take(&mut self, index: usize, cell: Cell<'_>) {
        for ((place, kind), value) in self.places.iter().zip(&mut self.row) {
            if *place == index {
                *value = KeyValue::new(*kind, cell);
            }
        }
    }

    /// Says that the row under way belongs to the page.
    pub(crate) fn keep(&mut self) {
        self.kept.clone_from(&self.row);
    }

    /// The position behind the last row. An error when a value of it cannot order pages, such as a NULL.
    pub fn into_position(self) -> Result<Position> {
        Ok(Position::After(self.kept.into_iter().collect::<Result<_>>()?))
    }
}

/// The place and type of an order column.
pub(crate) fn locate(name: &str, columns: &[Column]) -> Result<(usize, ColumnType)> {
    let found = columns.iter().enumerate().find(|(_, column)| column.name == name);
    found.map(|(index, column)| (index, column.kind)).ok_or_else(|| {
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        Error::new(
            ErrorCode::InvalidStatement,
            format!("the result has no column `{name}` to order by; it has {}", known.join(", ")),
        )
    })
}
