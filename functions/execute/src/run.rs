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
    policy::{Permit, RunQuery, RunRaw, permit_draft, permit_query, permit_raw, permit_raw_write},
    principal::Principal,
    query::Mode,
};
use tidegate_engine::{
    Engine, RunRequest,
    encode::{Csv, Format, Json as Columnar, Markdown, Ndjson, Objects},
};
use tidegate_http::{Caller, JsonBody, Problem, RequestTimeout, request_id::CurrentRequest};
use utoipa::ToSchema;

use crate::{
    ExecuteState,
    reply::{FormatQuery, ResultBody, Wanted, buffered, deprecate, streamed},
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
    /// Whether it is the draft that is tried, by an editor, and not what is published.
    #[serde(default)]
    pub(crate) draft: bool,
}

/// What a caller gives to run raw SQL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBody {
    /// The name of the source.
    pub(crate) source: Name,
    /// One statement. It may only read, unless `mode` says otherwise.
    pub(crate) sql: String,
    /// Whether the statement changes rows.
    #[serde(default)]
    pub(crate) mode: Mode,
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
    let RunBody { arguments, cursor, limits, draft } = body;
    let permit = query_permit(engine, &principal, &which, draft).await?;
    let limits = limits.within(timeout);
    let run = RunRequest { arguments, cursor, limits, request: Some(request) };
    Ok(run_query(engine, &permit, run, format).await?)
}

/// The permit to run a query, or its draft.
pub(crate) async fn query_permit(
    engine: &Engine,
    principal: &Arc<Principal>,
    which: &str,
    draft: bool,
) -> Result<Permit<RunQuery>> {
    let query = engine.query(principal, which).await?;
    let scope = engine.scope(principal).await?;
    if draft { permit_draft(principal, &query, &scope) } else { permit_query(principal, &query, None, &scope) }
}

/// Runs a query and answers with its page in this encoding.
pub(crate) async fn run_query(
    engine: &Arc<Engine>,
    permit: &Permit<RunQuery>,
    run: RunRequest,
    format: Format,
) -> Result<Response> {
    let mut response = match format {
        Format::Json => buffered(engine.run_query(permit, run, Columnar).await?),
        Format::Objects => buffered(engine.run_query(permit, run, Objects::default()).await?),
        Format::Csv => buffered(engine.run_query(permit, run, Csv).await?),
        Format::Markdown => buffered(engine.run_query(permit, run, Markdown).await?),
        Format::Ndjson => streamed(engine.stream_query(permit, run, Ndjson::default()).await?),
    };
    let revision = &permit.action().revision;
    if revision.spec.deprecated.is_some() {
        deprecate(&mut response, revision.saved_at);
    }
    Ok(response)
}

/// Run raw SQL
///
/// One statement that only reads, on a source with `allow_raw: true`, by an editor. With `mode: write` one statement
/// that changes rows, in a transaction, on a source with `allow_raw_writes: true`; it is never repeated.
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
    let permit = raw_permit(engine, &principal, &body).await?;
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

/// The permit that the statement of a body needs.
pub(crate) async fn raw_permit(engine: &Engine, principal: &Arc<Principal>, body: &RawBody) -> Result<Permit<RunRaw>> {
    let source = engine.source(principal, body.source.as_str()).await?;
    match body.mode {
        Mode::Read => permit_raw(principal, &source, None),
        Mode::Write => permit_raw_write(principal, &source),
    }
}
