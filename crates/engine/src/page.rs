//! Where a page ends, for queries that declare the columns they are ordered by.

use std::mem;

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
        for row in [&mut self.row, &mut self.kept] {
            row.resize_with(self.places.len(), || Err(Error::internal("a row ended before its order columns")));
        }
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
        mem::swap(&mut self.kept, &mut self.row);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rows: &[(i64, bool)]) -> Result<Position> {
        let column = |name: &str| Column { name: name.to_owned(), kind: ColumnType::Integer, database_type: None };
        let order = [serde_json::from_value(serde_json::json!({"column": "id"})).unwrap()];
        let mut key = OrderKey::of(&order);
        key.locate(&[column("other"), column("id")]).unwrap();
        for (id, is_kept) in rows {
            key.take(0, Cell::Integer(0));
            key.take(1, Cell::Integer(*id));
            if *is_kept {
                key.keep();
            }
        }
        key.into_position()
    }

    #[test]
    fn the_next_page_begins_after_the_last_row_that_was_kept() {
        let after = |position: Result<Position>| match position.unwrap() {
            Position::After(key) => format!("{key:?}"),
            Position::Offset(_) => panic!("it is ordered"),
        };
        let two = after(key(&[(2, true)]));
        assert_ne!(two, after(key(&[(1, true)])));
        assert_eq!(after(key(&[(1, true), (2, true), (3, false)])), two);
        assert_eq!(after(key(&[(4, true), (3, true), (2, true)])), two);
        assert_eq!(key(&[]).unwrap_err().code(), ErrorCode::Internal);
    }
}
