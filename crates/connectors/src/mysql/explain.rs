//! How would the server run a statement?

use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Executor, Row};
use tidegate_core::{Error, Result};
use tidegate_statement::Statement;

use super::{bind, lease::Lease};
use crate::connector::read_plan;

/// The plan of a statement that was prepared before. The server runs nothing. It refuses to plan what writes in a
/// transaction that only reads, so this takes the kind of transaction that the statement would run in, to be rolled back.
pub(super) async fn explain(lease: &mut Lease, statement: &Statement) -> Result<Json> {
    let arguments = bind::arguments(statement.binds())?;
    let text = AssertSqlSafe(format!("EXPLAIN FORMAT=JSON {}", statement.text()));
    let row = match lease.connection().fetch_one(sqlx::query_with(text, arguments)).await {
        Ok(row) => row,
        Err(error) => return Err(lease.fail(error)),
    };
    lease.settle();
    let plan: Vec<u8> = row.try_get_unchecked(0).map_err(Error::internal)?;
    read_plan(&plan)
}
