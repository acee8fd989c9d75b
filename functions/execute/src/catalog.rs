//! What a source contains.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use tidegate_connectors::ServerInfo;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    policy::{Permit, ReadCatalog, permit_catalog},
};
use tidegate_http::{Caller, Problem};
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
    Path(source): Path<String>,
) -> Result<Json<ServerInfo>, Problem> {
    let permit = permit(&state, &caller, &source).await?;
    Ok(Json(state.engine.test(&permit).await?))
}

/// List the schemas of a source
#[utoipa::path(get, path = "/v1/sources/{source}/schemas", tag = "catalog",
    params(("source" = String, Path, description = "name or id")), responses((status = 200, body = Schemas)))]
pub async fn schemas(
    State(state): State<ExecuteState>,
    caller: Caller,
    Path(source): Path<String>,
) -> Result<Json<Schemas>, Problem> {
    let permit = permit(&state, &caller, &source).await?;
    Ok(Json(Schemas { schemas: state.engine.schemas(&permit).await? }))
}

/// List the tables of a schema
#[utoipa::path(get, path = "/v1/sources/{source}/schemas/{schema}/tables", tag = "catalog",
    params(("source" = String, Path, description = "name or id"), ("schema" = String, Path)),
    responses((status = 200, body = Tables)))]
pub async fn tables(
    State(state): State<ExecuteState>,
    caller: Caller,
    Path((source, schema)): Path<(String, String)>,
) -> Result<Json<Tables>, Problem> {
    let permit = permit(&state, &caller, &source).await?;
    Ok(Json(Tables { tables: state.engine.tables(&permit, &schema).await? }))
}

/// Describe a table
#[utoipa::path(get, path = "/v1/sources/{source}/schemas/{schema}/tables/{table}", tag = "catalog",
    params(("source" = String, Path, description = "name or id"), ("schema" = String, Path), ("table" = String, Path)),
    responses((status = 200, body = TableDetail)))]
pub async fn table(
    State(state): State<ExecuteState>,
    caller: Caller,
    Path((source, schema, table)): Path<(String, String, String)>,
) -> Result<Json<TableDetail>, Problem> {
    let permit = permit(&state, &caller, &source).await?;
    Ok(Json(state.engine.table(&permit, &schema, &table).await?))
}

async fn permit(state: &ExecuteState, Caller(principal): &Caller, source: &str) -> Result<Permit<ReadCatalog>> {
    let source = state.engine.source(principal, source).await?;
    permit_catalog(principal, &source, None)
}
