//! How would the server run a statement?

use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Executor, Row, SqlSafeStr, SqlStr, Statement as _};
use tidegate_core::{Error, Result};
use tidegate_statement::Statement;

use super::{
    bind,
    connect::Session,
    error,
    prepare::{infer, parameters, prepare},
};
use crate::connector::read_plan;

/// The plan of a statement, in a transaction that only reads: the server plans what writes too, and runs nothing.
pub(super) async fn explain(session: &mut Session, statement: &Statement) -> Result<Json> {
    // The server's complaints about the statement count its characters without the prefix.
    prepare(session, statement.text(), statement.binds()).await?;
    let text: SqlStr = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) {}", statement.text())).into_sql_str();
    let failed = |failure: sqlx::Error| error::running(&failure, None);
    let prepared = infer(session, text, statement.binds()).await.map_err(failed)?;
    let arguments = bind::arguments(session, parameters(&prepared), statement.binds()).await?;
    let row = session.connection.fetch_one(prepared.query_with(arguments)).await.map_err(failed)?;
    let plan = row.try_get_raw(0).map_err(Error::internal)?;
    let plan = plan.as_bytes().map_err(Error::internal)?;
    read_plan(plan)
}
