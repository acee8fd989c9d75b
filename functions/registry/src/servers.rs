//! Servers.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tidegate_core::{
    Error, Name, Result,
    error::{ErrorCode, Fault},
    id::{QueryId, ServerId, SourceId, TenantId},
    policy::{self, WriteQueries},
    ports::{Entity, Repository},
    server::{Server, ServerSpec},
};
use tidegate_http::{
    Caller, Created, IdempotentBody, JsonBody, Problem, idempotency,
    list::{ListQuery, Listed, Params},
    version::{IfMatch, Versioned},
};
use utoipa::ToSchema;

use crate::{RegistryState, entity};

/// A server, as callers see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerView {
    id: ServerId,
    #[serde(flatten)]
    spec: ServerSpec,
    /// The path of its MCP endpoint.
    mcp_path: String,
    version: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl ServerView {
    fn of(server: &Server, tenant: &Name) -> Self {
        Self {
            id: server.id,
            spec: server.spec.clone(),
            mcp_path: format!("/t/{tenant}/mcp/{}", server.spec.name),
            version: server.version,
            created_at: server.created_at,
            updated_at: server.updated_at,
        }
    }
}

/// Register a server
#[utoipa::path(post, path = "/v1/servers", tag = "servers", request_body = ServerSpec,
    params(("idempotency-key" = Option<String>, Header, description = "makes it safe to send the same request again")),
    responses((status = 201, body = ServerView)))]
pub async fn create(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    IdempotentBody(spec, request): IdempotentBody<ServerSpec>,
) -> Result<Created<ServerView>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let view = |server: &Server| Versioned(server.version, ServerView::of(server, &principal.tenant_name));
    let room = state.quotas.expect_room(&*state.servers, permit.tenant());
    if let Some(made) = idempotency::begin(&*state.servers, permit.tenant(), request.as_ref(), room).await? {
        return Ok(Created::before(view(&made)));
    }
    let (query_ids, source_ids) = resolve(&state, permit.tenant(), &spec).await?;
    let now = state.clock.now();
    let server = Server {
        id: ServerId::from_uuid(state.ids.uuid()),
        tenant: permit.tenant(),
        spec,
        query_ids,
        source_ids,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    Ok(match idempotency::create(&*state.servers, &server, request.as_ref()).await? {
        None => Created::just(view(&server)),
        Some(made) => Created::before(view(&made)),
    })
}

/// List the servers
#[utoipa::path(get, path = "/v1/servers", tag = "servers", params(ListQuery),
    responses((status = 200, body = Listed<ServerView>)))]
pub async fn list(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<Listed<ServerView>>, Problem> {
    Ok(entity::list(&*state.servers, &principal, &query, |server| ServerView::of(server, &principal.tenant_name))
        .await?)
}

/// Read a server
#[utoipa::path(get, path = "/v1/servers/{server}", tag = "servers",
    params(("server" = String, Path, description = "name or id")), responses((status = 200, body = ServerView)))]
pub async fn read(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
) -> Result<Versioned<ServerView>, Problem> {
    Ok(entity::read(&*state.servers, &principal, &which, |server| ServerView::of(server, &principal.tenant_name))
        .await?)
}

/// Replace a server
#[utoipa::path(put, path = "/v1/servers/{server}", tag = "servers", request_body = ServerSpec,
    params(("server" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read")),
    responses((status = 200, body = ServerView)))]
pub async fn replace(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
    JsonBody(spec): JsonBody<ServerSpec>,
) -> Result<Versioned<ServerView>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let stored = entity::current(&*state.servers, permit.tenant(), &which, version).await?;
    entity::expect_name(&*stored, &spec.name)?;
    let (query_ids, source_ids) = resolve(&state, permit.tenant(), &spec).await?;
    let server = Server {
        spec,
        query_ids,
        source_ids,
        version: version + 1,
        updated_at: state.clock.now(),
        ..Server::clone(&stored)
    };
    state.servers.replace(&server).await?;
    Ok(Versioned(server.version, ServerView::of(&server, &principal.tenant_name)))
}

/// Delete a server
#[utoipa::path(delete, path = "/v1/servers/{server}", tag = "servers",
    params(("server" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read")),
    responses((status = 204)))]
pub async fn delete(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let server = entity::current(&*state.servers, permit.tenant(), &which, version).await?;
    state.servers.delete(&server).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The ids behind the names of a server's queries and sources.
async fn resolve(state: &RegistryState, tenant: TenantId, spec: &ServerSpec) -> Result<(Vec<QueryId>, Vec<SourceId>)> {
    let queries = ids(&*state.queries, tenant, &spec.queries, "queries").await?;
    let sources = ids(&*state.sources, tenant, &spec.sources, "sources").await?;
    if !spec.builtins.is_empty() && sources.is_empty() {
        return Err(Error::invalid_argument("sources", "built-in tools need `sources` that they may look at"));
    }
    Ok((queries.into_iter().map(QueryId::from_uuid).collect(), sources.into_iter().map(SourceId::from_uuid).collect()))
}

async fn ids<T: Entity>(
    repository: &dyn Repository<T>,
    tenant: TenantId,
    names: &[Name],
    field: &str,
) -> Result<Vec<uuid::Uuid>> {
    let mut ids = Vec::with_capacity(names.len());
    let mut faults = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match repository.find(tenant, name).await? {
            Some(entity) if ids.contains(&entity.id()) => {
                faults.push(Fault::of(format!("{field}[{index}]"), format!("`{name}` is named twice")));
            }
            Some(entity) => ids.push(entity.id()),
            None => {
                faults.push(Fault::of(format!("{field}[{index}]"), format!("there is no {} `{name}`", T::KIND)));
            }
        }
    }
    match faults.first() {
        None => Ok(ids),
        Some(first) => Err(Error::new(ErrorCode::InvalidRequest, first.message.clone()).with_faults(faults)),
    }
}
