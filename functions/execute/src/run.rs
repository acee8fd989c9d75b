//! Running statements.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use tidegate_core::{
    Name, Result,
    budget::Limits,
    policy::{Permit, RunQuery, permit_query, permit_raw},
};
use tidegate_engine::{
    Engine, RunRequest,
    encode::{Csv, Format, Json as Columnar, Markdown, Ndjson, Objects},
};
use tidegate_http::{Caller, JsonBody, Problem, RequestTimeout, request_id::CurrentRequest};
use utoipa::ToSchema;

use crate::{
    ExecuteState,
    reply::{FormatQuery, ResultBody, Wanted, buffered, streamed},
};

/// What a caller gives to run a query.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// The values of the parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) arguments: Map<String, Json>,
    /// Where to go on: the `next_cursor` of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// Limits below those that hold anyway.
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// What a caller gives to run raw SQL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBody {
    /// The name of the source.
    pub(crate) source: Name,
    /// One statement that only reads.
    pub(crate) sql: String,
    /// Where to go on: the `next_cursor` of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// Limits below those that hold anyway.
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// Run a query
#[utoipa::path(post, path = "/v1/execute/{query}", tag = "execute", request_body = RunBody,
    params(("query" = String, Path, description = "name or id"), FormatQuery),
    responses((status = 200, body = ResultBody)))]
pub async fn query(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    CurrentRequest(request): CurrentRequest,
    RequestTimeout(timeout): RequestTimeout,
    Path(which): Path<String>,
    Wanted(format): Wanted,
    JsonBody(body): JsonBody<RunBody>,
) -> Result<Response, Problem> {
    let engine = &state.engine;
    let query = engine.query(&principal, &which).await?;
    let permit = permit_query(&principal, &query, None, &engine.scope(&principal).await?)?;
    let RunBody { arguments, cursor, limits } = body;
    let limits = limits.within(timeout);
    let run = RunRequest { arguments, cursor, limits, request: Some(request) };
    Ok(run_query(engine, &permit, run, format).await?)
}

/// Runs a query and answers with its page in this encoding.
pub(crate) async fn run_query(
    engine: &Arc<Engine>,
    permit: &Permit<RunQuery>,
    run: RunRequest,
    format: Format,
) -> Result<Response> {
    Ok(match format {
        Format::Json => buffered(engine.run_query(permit, run, Columnar).await?),
        Format::Objects => buffered(engine.run_query(permit, run, Objects::default()).await?),
        Format::Csv => buffered(engine.run_query(permit, run, Csv).await?),
        Format::Markdown => buffered(engine.run_query(permit, run, Markdown).await?),
        Format::Ndjson => streamed(engine.stream_query(permit, run, Ndjson::default()).await?),
    })
}

/// Run raw SQL
///
/// One statement that only reads, on a source with `allow_raw: true`, by an editor.
#[utoipa::path(post, path = "/v1/execute/raw", tag = "execute", request_body = RawBody, params(FormatQuery),
    responses((status = 200, body = ResultBody)))]
pub async fn raw(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    CurrentRequest(request): CurrentRequest,
    RequestTimeout(timeout): RequestTimeout,
    Wanted(format): Wanted,
    JsonBody(body): JsonBody<RawBody>,
) -> Result<Response, Problem> {
    let engine = &state.engine;
    let source = engine.source(&principal, body.source.as_str()).await?;
    let permit = permit_raw(&principal, &source, None)?;
    let RawBody { sql, cursor, limits, .. } = body;
    let limits = limits.within(timeout);
    let run = RunRequest { cursor, limits, request: Some(request), ..RunRequest::default() };
    Ok(match format {
        Format::Json => buffered(engine.run_raw(&permit, &sql, run, Columnar).await?),
        Format::Objects => buffered(engine.run_raw(&permit, &sql, run, Objects::default()).await?),
        Format::Csv => buffered(engine.run_raw(&permit, &sql, run, Csv).await?),
        Format::Markdown => buffered(engine.run_raw(&permit, &sql, run, Markdown).await?),
        Format::Ndjson => streamed(engine.stream_raw(&permit, &sql, run, Ndjson::default()).await?),
    })
}
