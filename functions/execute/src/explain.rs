//! How statements would run.

use axum::{
    Json,
    extract::{Path, State},
};
use tidegate_core::policy::{permit_query, permit_raw};
use tidegate_engine::{RunRequest, explain::Explained};
use tidegate_http::{Caller, JsonBody, Problem, RequestTimeout};

use crate::{
    ExecuteState,
    run::{RawBody, RunBody},
};

/// Explain a query
///
/// The database's plan for the page that the same body would run. Nothing runs, also when the query writes.
#[utoipa::path(post, path = "/v1/execute/{query}/explain", tag = "execute", operation_id = "explain_query",
    request_body = RunBody, params(("query" = String, Path, description = "name or id")),
    responses((status = 200, body = Explained)))]
pub async fn query(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    RequestTimeout(timeout): RequestTimeout,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<RunBody>,
) -> Result<Json<Explained>, Problem> {
    let engine = &state.engine;
    let query = engine.query(&principal, &which).await?;
    let permit = permit_query(&principal, &query, None, &engine.scope(&principal).await?)?;
    let RunBody { arguments, cursor, limits } = body;
    let run = RunRequest { arguments, cursor, limits: limits.within(timeout), request: None };
    Ok(Json(engine.explain_query(&permit, run).await?))
}

/// Explain raw SQL
///
/// The database's plan for the page that the same body would run. Nothing runs.
#[utoipa::path(post, path = "/v1/execute/raw/explain", tag = "execute", operation_id = "explain_raw",
    request_body = RawBody, responses((status = 200, body = Explained)))]
pub async fn raw(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    RequestTimeout(timeout): RequestTimeout,
    JsonBody(body): JsonBody<RawBody>,
) -> Result<Json<Explained>, Problem> {
    let engine = &state.engine;
    let source = engine.source(&principal, body.source.as_str()).await?;
    let permit = permit_raw(&principal, &source, None)?;
    let RawBody { sql, cursor, limits, .. } = body;
    let run = RunRequest { cursor, limits: limits.within(timeout), ..RunRequest::default() };
    Ok(Json(engine.explain_raw(&permit, &sql, run).await?))
}
