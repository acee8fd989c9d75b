//! Queries.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tidegate_core::{
    Error, Result,
    id::QueryId,
    policy::{self, WriteQueries},
    ports::EntityKind,
    query::{Proof, Query, QuerySpec},
    result::Column,
    server::{Builtin, Server},
};
use tidegate_engine::check::Checked;
use tidegate_http::{
    Caller, JsonBody, Problem,
    list::{ListQuery, Listed, Params},
    version::{IfMatch, Versioned},
};
use utoipa::ToSchema;

use crate::{RegistryState, entity, entity::DeleteQuery, sources};

/// A query, as callers see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueryView {
    id: QueryId,
    #[serde(flatten)]
    spec: QuerySpec,
    /// The columns of its result, when its source described them.
    columns: Option<Vec<Column>>,
    proof: Proof,
    version: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl QueryView {
    fn of(query: &Query) -> Self {
        Self {
            id: query.id,
            spec: query.spec.clone(),
            columns: query.columns.clone(),
            proof: query.proof,
            version: query.version,
            created_at: query.created_at,
            updated_at: query.updated_at,
        }
    }
}

/// Check a query without saving it
#[utoipa::path(post, path = "/v1/queries/check", tag = "queries", request_body = QuerySpec,
    responses((status = 200, body = Checked)))]
pub async fn check(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    JsonBody(spec): JsonBody<QuerySpec>,
) -> Result<Json<Checked>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let source = sources::named(&state, permit.tenant(), &spec.source).await?;
    expect_free_name(&spec)?;
    Ok(Json(state.engine.check(&spec, &source).await?))
}

/// Register a query
#[utoipa::path(post, path = "/v1/queries", tag = "queries", request_body = QuerySpec,
    responses((status = 201, body = QueryView)))]
pub async fn create(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    JsonBody(spec): JsonBody<QuerySpec>,
) -> Result<(StatusCode, Versioned<QueryView>), Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let source = sources::named(&state, permit.tenant(), &spec.source).await?;
    expect_free_name(&spec)?;
    let checked = state.engine.check(&spec, &source).await?;
    let now = state.clock.now();
    let query = Query {
        id: QueryId::from_uuid(state.ids.uuid()),
        tenant: permit.tenant(),
        spec,
        source_id: source.id,
        columns: checked.columns,
        proof: checked.proof,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    state.queries.create(&query).await?;
    Ok((StatusCode::CREATED, Versioned(1, QueryView::of(&query))))
}

/// List the queries
#[utoipa::path(get, path = "/v1/queries", tag = "queries", params(ListQuery),
    responses((status = 200, body = Listed<QueryView>)))]
pub async fn list(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<Listed<QueryView>>, Problem> {
    Ok(entity::list(&*state.queries, &principal, &query, QueryView::of).await?)
}

/// Read a query
#[utoipa::path(get, path = "/v1/queries/{query}", tag = "queries",
    params(("query" = String, Path, description = "name or id")), responses((status = 200, body = QueryView)))]
pub async fn read(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
) -> Result<Versioned<QueryView>, Problem> {
    Ok(entity::read(&*state.queries, &principal, &which, QueryView::of).await?)
}

/// Replace a query
#[utoipa::path(put, path = "/v1/queries/{query}", tag = "queries", request_body = QuerySpec,
    params(("query" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read")),
    responses((status = 200, body = QueryView)))]
pub async fn replace(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
    JsonBody(spec): JsonBody<QuerySpec>,
) -> Result<Versioned<QueryView>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let stored = entity::current(&*state.queries, permit.tenant(), &which, version).await?;
    entity::expect_name(&*stored, &spec.name)?;
    let source = sources::named(&state, permit.tenant(), &spec.source).await?;
    let checked = state.engine.check(&spec, &source).await?;
    let query = Query {
        spec,
        source_id: source.id,
        columns: checked.columns,
        proof: checked.proof,
        version: version + 1,
        updated_at: state.clock.now(),
        ..Query::clone(&stored)
    };
    state.queries.replace(&query).await?;
    Ok(Versioned(query.version, QueryView::of(&query)))
}

/// Delete a query
#[utoipa::path(delete, path = "/v1/queries/{query}", tag = "queries",
    params(("query" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read"), DeleteQuery),
    responses((status = 204)))]
pub async fn delete(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
    Params(options): Params<DeleteQuery>,
) -> Result<StatusCode, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let query = entity::current(&*state.queries, permit.tenant(), &which, version).await?;
    if options.cascade {
        free(&state, &query).await?;
    }
    state.queries.delete(&query).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a query out of the servers that name it.
pub(crate) async fn free(state: &RegistryState, query: &Query) -> Result<()> {
    for user in state.queries.users(query.tenant, query.id.as_uuid()).await? {
        if user.kind != EntityKind::Server {
            return Err(Error::internal(format_args!("a {} refers to query {}", user.kind, query.id)));
        }
        if let Some(server) = state.servers.get(query.tenant, user.id).await? {
            let mut without = Server::clone(&server);
            without.query_ids.retain(|id| *id != query.id);
            without.spec.queries.retain(|name| *name != query.spec.name);
            without.version += 1;
            without.updated_at = state.clock.now();
            state.servers.replace(&without).await?;
        }
    }
    Ok(())
}

/// A tool has the name of its query, so a query cannot have the name of a built-in tool.
fn expect_free_name(spec: &QuerySpec) -> Result<()> {
    let taken = Builtin::ALL.iter().any(|builtin| builtin.as_str() == spec.name.as_str());
    let reserved = taken || spec.name.as_str() == "raw" || spec.name.as_str() == "check";
    if !reserved {
        return Ok(());
    }
    Err(Error::invalid_argument("name", format!("`{}` is reserved; choose another name", spec.name)))
}
