//! How a statement would run.

mod mysql;
mod postgres;
mod sqlite;
mod step;

use serde::Serialize;
use serde_json::Value as Json;
use tidegate_core::{
    Result,
    policy::{Permit, RunQuery, RunRaw},
};
use tidegate_statement::Dialect;
use utoipa::ToSchema;

pub(crate) use self::step::{Plan, Step};
use crate::{Engine, RunRequest, call::Call};

/// The most steps that a summary names.
const MOST_STEPS: usize = 8;

/// How a statement would run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explained {
    /// The plan in a few lines of text: its steps, the costliest first.
    pub summary: String,
    /// The plan in the database's own words: PostgreSQL's and MySQL's JSON, SQLite's steps as a tree.
    #[schema(value_type = Object)]
    pub plan: Json,
}

impl Engine {
    /// How the page of a query that the request asks for would run. Nothing runs.
    pub async fn explain_query(&self, permit: &Permit<RunQuery>, request: RunRequest) -> Result<Explained> {
        explain(&self.prepare_query(permit, request).await?).await
    }

    /// How the page of raw SQL that the request asks for would run. Nothing runs.
    pub async fn explain_raw(&self, permit: &Permit<RunRaw>, sql: &str, request: RunRequest) -> Result<Explained> {
        explain(&self.prepare_raw(permit, sql, request).await?).await
    }
}

async fn explain(call: &Call) -> Result<Explained> {
    let plan = call.explain().await?;
    Ok(Explained { summary: summary(read(call.dialect(), &plan).steps), plan })
}

/// A plan in the words of a database.
pub(crate) fn read(dialect: Dialect, plan: &Json) -> Plan {
    match dialect {
        Dialect::Postgres => postgres::read(plan),
        Dialect::Mysql => mysql::read(plan),
        Dialect::Sqlite => sqlite::read(plan),
    }
}

/// One line a step, the costliest first; steps of the same cost in the order of the plan.
fn summary(mut steps: Vec<Step>) -> String {
    steps.sort_by(Step::costliest_first);
    let mut lines: Vec<String> = steps.iter().take(MOST_STEPS).map(Step::to_string).collect();
    let rest = steps.len().saturating_sub(MOST_STEPS);
    if rest > 0 {
        lines.push(format!("and {rest} more"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_costliest_steps_first_and_counts_the_rest() {
        let step = |what: &str, cost| Step { cost, ..Step::bare(what) };
        let text = summary(vec![step("a", None), step("b", Some(1.0)), step("c", Some(20.5)), step("d", None)]);
        assert_eq!(text, "c: cost 20.50\nb: cost 1.00\na\nd");
        let many = summary((0..11).map(|number| step(&number.to_string(), None)).collect());
        assert_eq!(many.lines().count(), MOST_STEPS + 1);
        assert!(many.ends_with("\nand 3 more"));
        assert_eq!(summary(Vec::new()), "");
    }
}
