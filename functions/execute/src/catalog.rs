//! What a source contains.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use tidegate_connectors::ServerInfo;
use tidegate_core::{
    Result,
    budget::Limits,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    policy::{Permit, ReadCatalog, permit_catalog},
};
use tidegate_http::{Caller, Problem, RequestTimeout};
use utoipa::ToSchema;

use crate::ExecuteState;

/// The schemas of a source.
#[derive(Debug, Serialize, ToSchema)]
pub struct Schemas {
    schemas: Vec<Schema>,
}

/// The tables of a schema.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tables {
    tables: Vec<Table>,
}

/// Test the connection of a source
#[utoipa::path(post, path = "/v1/sources/{source}/test", tag = "catalog",
    params(("source" = String, Path, description = "name or id")), responses((status = 200, body = ServerInfo)))]
pub async fn test(
    State(state): State<ExecuteState>,
    caller: Caller,
    timeout: RequestTimeout,
    Path(source): Path<String>,
) -> Result<Json<ServerInfo>, Problem> {
    let (permit, deadline) = permit(&state, &caller, timeout, &source).await?;
    Ok(Json(state.engine.test(&permit, deadline).await?))
}

/// List the schemas of a source
#[utoipa::path(get, path = "/v1/sources/{source}/schemas", tag = "catalog",
    params(("source" = String, Path, description = "name or id")), responses((status = 200, body = Schemas)))]
pub async fn schemas(
    State(state): State<ExecuteState>,
    caller: Caller,
    timeout: RequestTimeout,
    Path(source): Path<String>,
) -> Result<Json<Schemas>, Problem> {
    let (permit, deadline) = permit(&state, &caller, timeout, &source).await?;
    Ok(Json(Schemas { schemas: state.engine.schemas(&permit, deadline).await? }))
}

/// List the tables of a schema
#[utoipa::path(get, path = "/v1/sources/{source}/schemas/{schema}/tables", tag = "catalog",
    params(("source" = String, Path, description = "name or id"), ("schema" = String, Path)),
    responses((status = 200, body = Tables)))]
pub async fn tables(
    State(state): State<ExecuteState>,
    caller: Caller,
    timeout: RequestTimeout,
    Path((source, schema)): Path<(String, String)>,
) -> Result<Json<Tables>, Problem> {
    let (permit, deadline) = permit(&state, &caller, timeout, &source).await?;
    Ok(Json(Tables { tables: state.engine.tables(&permit, &schema, deadline).await? }))
}

/// Describe a table
#[utoipa::path(get, path = "/v1/sources/{source}/schemas/{schema}/tables/{table}", tag = "catalog",
    params(("source" = String, Path, description = "name or id"), ("schema" = String, Path), ("table" = String, Path)),
    responses((status = 200, body = TableDetail)))]
pub async fn table(
    State(state): State<ExecuteState>,
    caller: Caller,
    timeout: RequestTimeout,
    Path((source, schema, table)): Path<(String, String, String)>,
) -> Result<Json<TableDetail>, Problem> {
    let (permit, deadline) = permit(&state, &caller, timeout, &source).await?;
    Ok(Json(state.engine.table(&permit, &schema, &table, deadline).await?))
}

async fn permit(
    state: &ExecuteState,
    Caller(principal): &Caller,
    RequestTimeout(timeout): RequestTimeout,
    source: &str,
) -> Result<(Permit<ReadCatalog>, Deadline)> {
    let source = state.engine.source(principal, source).await?;
    let permit = permit_catalog(principal, &source, None)?;
    let deadline = state.engine.catalog_deadline(&permit, &Limits::default().within(timeout));
    Ok((permit, deadline))
}
