//! One step of a plan, of any database.

use std::{cmp::Ordering, fmt};

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// What is done, and to which table or index.
    pub(super) what: String,
    /// The rows that the database expects it to look at or give, when it says.
    pub(super) rows: Option<f64>,
    /// What the step itself is expected to cost, without the steps below it, in the database's own unit. SQLite gives
    /// none.
    pub(super) cost: Option<f64>,
}

impl Step {
    /// The order by cost, then by rows.
    pub(super) fn costliest_first(&self, other: &Self) -> Ordering {
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
