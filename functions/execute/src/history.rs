//! What ran: the history of executions.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidegate_core::{
    ErrorCode, Name, Result,
    budget::Limits,
    execution::{Execution, Outcome, Timing},
    id::{ExecutionId, QueryId, RequestId, SourceId},
    policy::{permit_executions, permit_query},
    principal,
    result::Truncated,
};
use tidegate_engine::{
    RunRequest,
    history::{ExecutionSearch, Names},
};
use tidegate_http::{
    Caller, Problem, RequestTimeout,
    list::{Listed, Params, page_limit},
    request_id::CurrentRequest,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ExecuteState,
    reply::{FormatQuery, ResultBody, Wanted},
    run::run_query,
};

/// Which executions are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecutionsQuery {
    /// Only those of this query, by name or id.
    query: Option<String>,
    /// Only those on this source, by name or id.
    source: Option<String>,
    /// Only those of this caller: an API key by name or id, or `token:` and the subject of a token.
    principal: Option<String>,
    /// Only those that ended so: `ok`, `truncated`, `error`, or the code of an error.
    outcome: Option<String>,
    /// Only those that ended then or later.
    from: Option<DateTime<Utc>>,
    /// Only those that ended before then.
    to: Option<DateTime<Utc>>,
    /// The most on one page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<usize>,
    /// Where to go on: the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What an execution refers to. The name is absent when it is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Referred<I> {
    id: I,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Name>,
}

/// The query of an execution.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExecutedQuery {
    id: QueryId,
    /// Absent when the query is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Name>,
    /// The number of the revision that ran.
    revision: u64,
}

/// One run of a statement.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Execution")]
pub struct ExecutionView {
    id: ExecutionId,
    /// The request it was part of.
    request_id: Option<RequestId>,
    /// The query; null for raw SQL.
    query: Option<ExecutedQuery>,
    /// The source it ran on.
    source: Referred<SourceId>,
    /// Its caller: the id of an API key, or `token:` and the subject of a token, which has no name.
    principal: Referred<principal::Caller>,
    /// The server it was called through; null for none.
    server: Option<Name>,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    /// How long it took, in microseconds.
    elapsed_us: u64,
    /// Where that time went.
    timing: Timing,
    outcome: Outcome,
    /// How it failed; null when it did not.
    error: Option<ErrorCode>,
    /// What cut its result; null when nothing did.
    truncated: Option<Truncated>,
    /// The rows given back.
    rows: u64,
    /// The bytes of the encoded rows.
    bytes: u64,
    /// The first 16 hexadecimal digits of the SHA-256 of the statement's text, which holds no values.
    fingerprint: String,
    /// The arguments. Absent in lists, and where the query does not keep them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    arguments: Option<Map<String, Value>>,
}

impl ExecutionView {
    fn of(execution: Execution, names: &Names) -> Self {
        let name = |id| names.of(id).cloned();
        Self {
            ended_at: execution.ended_at(),
            outcome: execution.outcome(),
            id: execution.id,
            request_id: execution.request,
            query: execution.query.map(|(id, revision)| ExecutedQuery { id, name: name(id.as_uuid()), revision }),
            source: Referred { id: execution.source, name: name(execution.source.as_uuid()) },
            principal: Referred { name: names.of_caller(&execution.caller).cloned(), id: execution.caller },
            server: execution.server,
            started_at: execution.started_at,
            elapsed_us: execution.elapsed_us,
            timing: execution.timing,
            error: execution.error,
            truncated: execution.truncated,
            rows: execution.rows,
            bytes: execution.bytes,
            fingerprint: execution.fingerprint,
            arguments: execution.arguments,
        }
    }
}

/// List executions
///
/// Newest first. A page that found little may be short, or empty, and still have a `next_cursor`. A key that is narrowed
/// to some servers or queries sees its own executions only.
#[utoipa::path(get, path = "/v1/executions", tag = "history", operation_id = "list_executions",
    params(ExecutionsQuery), responses((status = 200, body = Listed<ExecutionView>)))]
pub async fn list(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    Params(wanted): Params<ExecutionsQuery>,
) -> Result<Json<Listed<ExecutionView>>, Problem> {
    let permit = permit_executions(&principal)?;
    let limit = page_limit(wanted.limit)?;
    let search = ExecutionSearch {
        query: wanted.query,
        source: wanted.source,
        principal: wanted.principal,
        outcome: wanted.outcome.as_deref().map(str::parse).transpose()?,
        from: wanted.from,
        to: wanted.to,
    };
    let page = state.engine.executions(&permit, &search, wanted.cursor.as_deref(), limit).await?;
    let names = state.engine.names(&permit, &page.items).await?;
    let without_arguments = |execution| Execution { arguments: None, ..execution };
    let items = page.items.into_iter().map(|item| ExecutionView::of(without_arguments(item), &names)).collect();
    Ok(Json(Listed { items, next_cursor: page.next }))
}

/// Read an execution
#[utoipa::path(get, path = "/v1/executions/{execution}", tag = "history", operation_id = "read_execution",
    params(("execution" = String, Path, description = "id")), responses((status = 200, body = ExecutionView)))]
pub async fn get(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
) -> Result<Json<ExecutionView>, Problem> {
    let permit = permit_executions(&principal)?;
    let execution = state.engine.execution(&permit, &which).await?;
    let names = state.engine.names(&permit, std::slice::from_ref(&execution)).await?;
    Ok(Json(ExecutionView::of(execution, &names)))
}

/// Run an execution again
///
/// Runs the query as it is registered, with the arguments of the execution. The query must have kept them
/// (`keep_arguments: true`) or have no parameters. It takes what running the query takes.
#[utoipa::path(post, path = "/v1/executions/{execution}/rerun", tag = "history", operation_id = "rerun_execution",
    params(("execution" = String, Path, description = "id"), FormatQuery),
    responses((status = 200, body = ResultBody)))]
pub async fn rerun(
    State(state): State<ExecuteState>,
    Caller(principal): Caller,
    CurrentRequest(request): CurrentRequest,
    RequestTimeout(timeout): RequestTimeout,
    Path(which): Path<String>,
    Wanted(format): Wanted,
) -> Result<Response, Problem> {
    let engine = &state.engine;
    let execution = engine.execution(&permit_executions(&principal)?, &which).await?;
    let (query, arguments) = engine.repeatable(execution).await?;
    let permit = permit_query(&principal, &query, None, &engine.scope(&principal).await?)?;
    let limits = Limits::default().within(timeout);
    let run = RunRequest { arguments, limits, request: Some(request), ..RunRequest::default() };
    Ok(run_query(engine, &permit, run, format).await?)
}
