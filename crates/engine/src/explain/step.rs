//! One step of a plan, of any database, and the plan as a whole.

use std::{cmp::Ordering, fmt};

/// A plan, as far as every database tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Its steps, those above before those below.
    pub(crate) steps: Vec<Step>,
    /// What all of it is expected to cost, in the database's own unit, when the database says.
    pub(crate) cost: Option<f64>,
}

/// One step of a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// What is done, and to which table or index.
    pub(crate) what: String,
    /// The rows that the database expects it to look at or give, when it says.
    pub(crate) rows: Option<f64>,
    /// What the step itself is expected to cost, without the steps below it, in the database's own unit. SQLite gives
    /// none.
    pub(crate) cost: Option<f64>,
    /// The rows that it goes through in all: each time it is repeated, and no further than a limit above asks for. Above
    /// everything where nobody can say. None when it goes through none, or passes on what another step counts.
    pub(crate) total_rows: Option<f64>,
    /// What would make it less.
    pub(crate) remedy: Remedy,
}

/// What would make a step less, the least promising first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remedy {
    /// To ask for less.
    #[default]
    Narrow,
    /// A condition on this table, of which every row is read.
    Filter(String),
    /// An index on this table for this condition.
    Index(String, String),
    /// To join on columns that are equal or indexed, instead of this condition.
    JoinColumns(String),
    /// A condition that joins these tables.
    JoinCondition(String),
}

impl Step {
    /// A step of which no more is known.
    pub(super) fn bare(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// The order by cost, then by rows.
    pub(crate) fn costliest_first(&self, other: &Self) -> Ordering {
        let by = |one: Option<f64>, two: Option<f64>| two.unwrap_or(-1.0).total_cmp(&one.unwrap_or(-1.0));
        by(self.cost, other.cost).then_with(|| by(self.rows, other.rows))
    }
}

/// `Seq Scan on flights: 336776 rows, cost 7210.76`
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let rows = self.rows.map(|rows| format!("{rows:.0} row{}", if rows.round() == 1.0 { "" } else { "s" }));
        let cost = self.cost.map(|cost| format!("cost {cost:.2}"));
        for (index, part) in rows.into_iter().chain(cost).enumerate() {
            write!(f, "{}{part}", if index == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

/// The most characters of a condition that are shown.
const MOST_OF_A_CONDITION: usize = 120;

/// The end of a sentence that says why a statement does not run.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |condition: &str| -> String {
            match condition.char_indices().nth(MOST_OF_A_CONDITION) {
                Some((end, _)) => format!("{}…", condition.get(..end).unwrap_or_default()),
                None => condition.to_owned(),
            }
        };
        match self {
            Self::Narrow => f.write_str("ask for less: filter more narrowly, or over a shorter range"),
            Self::Filter(table) => write!(f, "filter the rows of {table}"),
            Self::Index(table, condition) => {
                write!(f, "filter {table} more narrowly, or give it an index for {}", cut(condition))
            }
            Self::JoinColumns(condition) => {
                write!(
                    f,
                    "every pair of rows is held against {}; join on equal columns that have an index",
                    cut(condition)
                )
            }
            Self::JoinCondition(tables) => write!(f, "join {tables} on a condition; there is none"),
        }
    }
}

/// The most names that a list of tables shows.
const MOST_NAMES: usize = 5;

/// `a`, `a and b`, `a, b and c`, `a, b, c, d, e and 4 more`.
pub(super) fn list(names: &[&str]) -> String {
    let rest = names.len().saturating_sub(MOST_NAMES);
    let (last, others) = match names {
        [others @ .., last] if rest == 0 => ((*last).to_owned(), others),
        _ => (format!("{rest} more"), names.get(..MOST_NAMES).unwrap_or(names)),
    };
    if others.is_empty() { last } else { format!("{} and {last}", others.join(", ")) }
}

/// Whether a condition speaks of a column of this table: `t.id`, `"t".id`, `` `t`.`id` ``.
pub(super) fn names(condition: &str, table: &str) -> bool {
    condition.match_indices(table).any(|(start, _)| {
        let (before, behind) = (condition.get(..start), condition.get(start + table.len()..));
        let begins =
            before.and_then(|before| before.chars().next_back()).is_none_or(|c| !c.is_alphanumeric() && c != '_');
        begins && behind.is_some_and(|behind| behind.trim_start_matches(['"', '`']).starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_has_an_end() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }

    #[test]
    fn a_condition_names_the_tables_of_its_columns() {
        for condition in ["(o.id = i.order_id)", "(\"o\".id > 1)", "(`s`.`o`.`id` = 5)"] {
            assert!(names(condition, "o"), "{condition}");
        }
        for condition in ["(foo.id = 1)", "(o = 1)", "(co.o > 1)", ""] {
            assert!(!names(condition, "o"), "{condition}");
        }
    }

    #[test]
    fn a_long_condition_is_cut() {
        let text = Remedy::Index("t".to_owned(), "ü".repeat(500)).to_string();
        assert!(text.ends_with('…') && text.chars().count() < 200, "{text}");
    }
}
