//! How statements would run.

use axum::{
    Json,
    extract::{Path, State},
};
use tidegate_engine::{RunRequest, explain::Explained};
use tidegate_http::{Caller, JsonBody, Problem, RequestTimeout};

use crate::{
    ExecuteState,
    run::{RawBody, RunBody, query_permit, raw_permit},
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
    let RunBody { arguments, cursor, limits, draft } = body;
    let permit = query_permit(engine, &principal, &which, draft).await?;
    let run = RunRequest { arguments, cursor, limits: limits.within(timeout), request: None };
    Ok(Json(engine.explain_query(&permit, run).await?))
}

/// Explain raw SQL
///
/// The database's plan for the page that the same body would run. Nothing runs, also with `mode: write`.
#[utoipa::path(post, path = "/v1/execute/raw/explain", tag = "execute", operation_id = "explain_raw",
    request_body = RawBody, responses((status = 200, body = Explained)))]
pub async fn raw(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    RequestTimeout(timeout): RequestTimeout,
    JsonBody(body): JsonBody<RawBody>,
) -> Result<Json<Explained>, Problem> {
    let engine = &state.engine;
    let permit = raw_permit(engine, &principal, &body).await?;
    let RawBody { sql, cursor, limits, .. } = body;
    let run = RunRequest { cursor, limits: limits.within(timeout), ..RunRequest::default() };
    Ok(Json(engine.explain_raw(&permit, &sql, run).await?))
}
