//! Pages: a statement narrowed to a window of its rows.

use tidegate_core::{
    Error, ErrorCode, Result,
    parameter::ParameterType,
    query::{Direction, OrderColumn},
    value::Value,
};

use crate::{Bind, KeyValue, Position, Statement};

/// Which rows of a statement a page holds.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The most rows to fetch. One more than the page holds tells whether there is a next one.
    pub rows: u64,
    /// Where the page begins; none for the first.
    pub from: Option<&'a Position>,
    /// The columns that the query declares its rows to be ordered by. When it declares none, pages go by offset.
    pub order: &'a [OrderColumn],
}

/// A statement that gives a page, and what is left for its reader to do.
#[derive(Clone, Debug)]
pub struct Paged {
    /// The statement.
    pub statement: Statement,
    /// How many of its first rows belong to earlier pages, and have to be passed over.
    pub skip: u64,
}

impl Statement {
    /// The statement for a page.
    ///
    /// Without an order, `LIMIT` and `OFFSET` are added, unless the statement has a limit of its own or is not a query:
    /// then it stays as it is, and the reader passes over `skip` rows and stops after those of the window. With an order,
    /// the query is put into the `FROM` of another that begins after the last row of the page before; every row is then
    /// seen once, even while rows are added and deleted. `InvalidCursor` when the position does not fit the order,
    /// `InvalidStatement` when a statement that is not a query is to be ordered.
    pub fn page(self, window: Window<'_>) -> Result<Paged> {
        if !window.order.is_empty() {
            return self.page_after(window);
        }
        let offset = match window.from {
            None => 0,
            Some(Position::Offset(offset)) => *offset,
            Some(Position::After(_)) => return Err(misplaced()),
        };
        if !self.analysis().takes_limit {
            return Ok(Paged { statement: self, skip: offset });
        }
        Ok(Paged { statement: self.limited(count(window.rows)?, count(offset)?), skip: 0 })
    }

    fn page_after(self, window: Window<'_>) -> Result<Paged> {
        if !self.analysis().is_query {
            let message = "only a query can be ordered for pages; drop `order`, or write a SELECT";
            return Err(Error::new(ErrorCode::InvalidStatement, message));
        }
        let after = match window.from {
            None => None,
            Some(Position::After(values)) if values.len() == window.order.len() => Some(values),
            Some(_) => return Err(misplaced()),
        };
        let mut text = Text::from(self);
        text.wrap("SELECT * FROM (\n", "\n) AS tidegate_page");
        if let Some(values) = after {
            text.push("\nWHERE ");
            text.push_after(window.order, values);
        }
        for (index, order) in window.order.iter().enumerate() {
            text.push(if index == 0 { "\nORDER BY " } else { ", " });
            text.push_column(&order.column);
            text.push(match order.direction {
                Direction::Asc => " ASC",
                Direction::Desc => " DESC",
            });
        }
        text.push("\nLIMIT ");
        text.push_value(count(window.rows)?);
        Ok(Paged { statement: text.into_statement(), skip: 0 })
    }
}

fn misplaced() -> Error {
    Error::new(
        ErrorCode::InvalidCursor,
        "the cursor does not fit the order of this query; begin again without a cursor",
    )
}

/// A number of rows, as it is bound.
fn count(rows: u64) -> Result<Bind> {
    let rows = i64::try_from(rows)
        .map_err(|_| Error::new(ErrorCode::InvalidRequest, "a page cannot begin or end so far; ask for fewer rows"))?;
    Ok(Bind { value: Value::Integer(rows), kind: ParameterType::Integer })
}

/// A statement under construction.
struct Text {
    text: String,
    /// The bytes in front of the statement that it began with.
    before: usize,
    binds: Vec<Bind>,
    statement: Statement,
}

impl Text {
    fn from(mut statement: Statement) -> Self {
        let mut text = String::with_capacity(statement.text().len() + 128);
        text.push_str(statement.text());
        Self { text, before: 0, binds: statement.take_binds(), statement }
    }

    fn push(&mut self, sql: &str) {
        self.text.push_str(sql);
    }

    fn wrap(&mut self, before: &str, after: &str) {
        self.text.insert_str(0, before);
        self.before += before.len();
        self.text.push_str(after);
    }

    fn push_column(&mut self, name: &str) {
        self.statement.dialect().push_identifier(&mut self.text, name);
    }

    fn push_value(&mut self, bind: Bind) {
        self.statement.dialect().push_placeholder(&mut self.text, self.binds.len());
        self.binds.push(bind);
    }

    /// The rows after these values: for columns a, b that is `a > 1 OR (a = 1 AND b > 2)`. A comparison of whole rows
    /// would be shorter, and cannot mix directions.
    fn push_after(&mut self, order: &[OrderColumn], values: &[KeyValue]) {
        for (last, (column, value)) in order.iter().zip(values).enumerate() {
            self.push(if last == 0 { "(" } else { " OR (" });
            for (equal, value) in order.iter().zip(values).take(last) {
                self.push_column(&equal.column);
                self.push(" = ");
                self.push_value(value.bind().clone());
                self.push(" AND ");
            }
            self.push_column(&column.column);
            self.push(match column.direction {
                Direction::Asc => " > ",
                Direction::Desc => " < ",
            });
            self.push_value(value.bind().clone());
            self.push(")");
        }
    }

    fn into_statement(self) -> Statement {
        self.statement.inside(self.text, self.before, self.binds)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::{result::ColumnType, value::Cell};

    use super::*;
    use crate::Dialect;

    fn page(text: &str, dialect: Dialect, from: Option<Position>, order: &[(&str, Direction)]) -> Result<Paged> {
        let order: Vec<OrderColumn> = order
            .iter()
            .map(|(column, direction)| OrderColumn { column: (*column).into(), direction: *direction })
            .collect();
        Statement::raw(text, dialect).unwrap().page(Window { rows: 11, from: from.as_ref(), order: &order })
    }

    fn integers(statement: &Statement) -> Vec<i64> {
        let integer = |bind: &Bind| match bind.value {
            Value::Integer(integer) => integer,
            _ => panic!("{bind:?}"),
        };
        statement.binds().iter().map(integer).collect()
    }

    #[test]
    fn a_limit_follows_a_query_without_one() {
        for (dialect, text, expected) in [
            (Dialect::Postgres, "select 1; ", "select 1\nLIMIT $1 OFFSET $2"),
            (Dialect::Postgres, "select 1 -- all;", "select 1 -- all;\nLIMIT $1 OFFSET $2"),
            (Dialect::Mysql, "select 1 union select 2", "select 1 union select 2\nLIMIT ? OFFSET ?"),
            (
                Dialect::Sqlite,
                "with x as (select 1 limit 3) select * from x",
                "with x as (select 1 limit 3) select * from x\nLIMIT ?1 OFFSET ?2",
            ),
            (Dialect::Postgres, "table t", "table t\nLIMIT $1 OFFSET $2"),
            (Dialect::Postgres, "values (1)", "values (1)\nLIMIT $1 OFFSET $2"),
        ] {
            let paged = page(text, dialect, Some(Position::Offset(30)), &[]).unwrap();
            assert_eq!(paged.statement.text(), expected);
            assert_eq!((integers(&paged.statement), paged.skip), (vec![11, 30], 0));
            assert!(Statement::raw(&expected.replace(['$', '?'], ""), dialect).is_ok() || dialect == Dialect::Mysql);
        }
    }

    #[test]
    fn what_takes_no_limit_is_skipped_by_the_reader() {
        for text in [
            "select 1 limit 5",
            "select 1 offset 5",
            "select 1 fetch first 5 rows only",
            "(select 1 limit 5)",
            "select 1 from t for update",
            "show timezone",
            "explain select 1",
            "delete from t returning *",
            "with d as (select 1) delete from t",
        ] {
            let paged = page(text, Dialect::Postgres, Some(Position::Offset(30)), &[]).unwrap();
            assert_eq!((paged.statement.text(), paged.skip), (text, 30));
        }
    }

    #[test]
    fn an_order_begins_after_the_last_row() {
        let key = |integer| KeyValue::new(ColumnType::Integer, Cell::Integer(integer)).unwrap();
        let order = [("a", Direction::Asc), ("B\"b", Direction::Desc)];
        let first = page("select a, b from t limit 99 -- x", Dialect::Postgres, None, &order).unwrap();
        assert_eq!(
            first.statement.text(),
            "SELECT * FROM (\nselect a, b from t limit 99 -- x\n) AS tidegate_page\nORDER BY \"a\" ASC, \"B\"\"b\" DESC\nLIMIT $1"
        );
        let from = Some(Position::After(vec![key(1), key(2)]));
        let next = page("select a, b from t", Dialect::Mysql, from, &order).unwrap();
        assert_eq!(
            next.statement.text(),
            "SELECT * FROM (\nselect a, b from t\n) AS tidegate_page\nWHERE (`a` > ?) OR (`a` = ? AND `B\"b` < ?)\nORDER BY `a` ASC, `B\"b` DESC\nLIMIT ?"
        );
        assert_eq!(integers(&next.statement), [1, 1, 2, 11]);
    }

    #[test]
    fn a_position_has_to_fit_the_order() {
        let key = KeyValue::new(ColumnType::Integer, Cell::Integer(1)).unwrap();
        for (from, order) in [
            (Position::After(vec![key.clone()]), vec![]),
            (Position::Offset(1), vec![("a", Direction::Asc)]),
            (Position::After(vec![key]), vec![("a", Direction::Asc), ("b", Direction::Asc)]),
        ] {
            let error = page("select 1", Dialect::Sqlite, Some(from), &order).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidCursor);
        }
        let error = page("show timezone", Dialect::Postgres, None, &[("a", Direction::Asc)]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidStatement);
    }
}
