//! The cost guard: what the database expects a statement to take, held against what is allowed.

use std::{fmt, num::NonZeroU64};

use tidegate_connectors::Connector;
use tidegate_core::{
    Error, ErrorCode, Result,
    cost::MaxEstimate,
    deadline::Deadline,
    query::{Mode, QuerySpec},
    source::Source,
};
use tidegate_statement::{Class, Statement, Window};

use crate::{
    Engine,
    explain::{self, Plan, Step},
};

/// Asks for the plan of a statement, which does not run, and holds it against what is allowed. `TooExpensive` when the
/// database expects more, or cannot say what it expects.
pub(crate) async fn hold(
    statement: &Statement,
    allowed: MaxEstimate,
    connector: &impl Connector,
    deadline: Deadline,
) -> Result<()> {
    if statement.runs_what_it_explains() {
        return Err(refusal("`EXPLAIN ANALYZE` runs what it explains; leave `ANALYZE` out"));
    }
    // SHOW, DESCRIBE and EXPLAIN go through no tables and have no plans.
    if statement.class() == Class::Read && !statement.is_query() {
        return Ok(());
    }
    let plan = connector.explain(statement, deadline).await?;
    judge(&explain::read(statement.dialect(), &plan), allowed)
}

impl Engine {
    /// A warning for each branch of a query that would be refused for the first page of its examples.
    pub(crate) async fn foresee(
        &self,
        spec: &QuerySpec,
        source: &Source,
        branches: &[(Statement, String)],
        allowed: MaxEstimate,
        deadline: Deadline,
    ) -> Result<Vec<String>> {
        let connector = self.pools.get(source).await?;
        let rows = self.parts.budget.narrowed(&source.limits).narrowed(&spec.limits).rows.saturating_add(1);
        let mut warnings = Vec::new();
        for (statement, name) in branches {
            let mut statement = statement.clone();
            if spec.mode == Mode::Read {
                statement = statement.page(Window { rows, from: None, order: &spec.order })?.statement;
            }
            if let Err(refusal) = hold(&statement, allowed, &*connector, deadline).await {
                let branch = if name.is_empty() { String::new() } else { format!(" in the branch {name}") };
                warnings.push(format!("a call with the examples{branch} fails: {}", refusal.message()));
            }
        }
        Ok(warnings)
    }
}

fn judge(plan: &Plan, allowed: MaxEstimate) -> Result<()> {
    // A plan in a shape that nobody knows yet.
    if plan.steps.is_empty() {
        return Err(refusal("its plan cannot be read; leave `max_estimate` out to run it without"));
    }
    let largest = largest(plan);
    if let (Some((rows, step)), Some(most)) = (largest, allowed.rows)
        && exceeds(rows, most)
    {
        let (rows, most) = (about(rows), Count::from(most));
        return Err(refusal(format_args!(
            "{} goes through {rows} rows, more than the {most} allowed; {}",
            step.what, step.remedy
        )));
    }
    match (plan.cost, allowed.cost) {
        // What goes through no rows costs nothing that counts.
        (None, Some(_)) if largest.is_some() => {
            let advice = "the database does not say what it costs; allow it some `rows` instead of a `cost`";
            Err(refusal(advice))
        }
        (Some(cost), Some(most)) if exceeds(cost, most) => {
            let (cost, most) = (about(cost), Count::from(most));
            let costliest = plan.steps.iter().min_by(|one, two| one.costliest_first(two));
            let most_of_it = costliest.map(|step| format!(", most of it for {}; {}", step.what, step.remedy));
            let most_of_it = most_of_it.unwrap_or_default();
            Err(refusal(format_args!("it costs {cost}, more than the {most} allowed{most_of_it}")))
        }
        _ => Ok(()),
    }
}

fn refusal(why: impl fmt::Display) -> Error {
    Error::new(ErrorCode::TooExpensive, format!("this was not run, because it is expected to take too much: {why}"))
}

/// The step that goes through the most rows, and how many. Of several, the one that is mended best, and then the last.
fn largest(plan: &Plan) -> Option<(f64, &Step)> {
    let counted = plan.steps.iter().filter_map(|step| Some((step.total_rows?, step)));
    counted.max_by(|(rows, step), (most, best)| rows.total_cmp(most).then_with(|| step.remedy.cmp(&best.remedy)))
}

fn exceeds(estimate: f64, most: NonZeroU64) -> bool {
    estimate > most.get() as f64
}

fn about(estimate: f64) -> String {
    if estimate.is_finite() { format!("about {}", Count(estimate)) } else { "an unknown number of".to_owned() }
}

/// A number for people: `1,234,567`, and from a million billions on a power of ten.
struct Count(f64);

impl From<NonZeroU64> for Count {
    fn from(count: NonZeroU64) -> Self {
        Self(count.get() as f64)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1e15 {
            return write!(f, "{:.0e}", self.0);
        }
        let digits = format!("{:.0}", self.0);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
