//! What sources contained, when that was looked at last.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use tidegate_core::{Error, ErrorCode, policy::permit_catalog, ports::find, snapshot::CatalogSnapshot};
use tidegate_http::{Caller, Problem, list::Params};
use utoipa::IntoParams;

use crate::RegistryState;

/// What part of a catalog is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CatalogQuery {
    /// Only this schema.
    pub schema: Option<String>,
}

/// Read the last catalog snapshot of a source
///
/// Its schemas, tables, columns and keys, as a scheduled task found them; the database is not asked. `changed_at` tells
/// since when nothing changed. What is there at this moment is under `/v1/sources/{source}/schemas`.
#[utoipa::path(get, path = "/v1/sources/{source}/catalog", tag = "catalog",
    params(("source" = String, Path, description = "name or id"), CatalogQuery),
    responses((status = 200, body = CatalogSnapshot)))]
pub async fn read(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    Params(query): Params<CatalogQuery>,
) -> Result<Json<CatalogSnapshot>, Problem> {
    let source = find(&*state.sources, principal.tenant, &which).await?;
    permit_catalog(&principal, &source, None)?;
    let last = state.catalogs.last(source.tenant, source.id).await?;
    let mut snapshot = last.filter(|last| source.was_here_at(last.taken_at)).ok_or_else(|| {
        let name = &source.name;
        let message =
            format!("no snapshot of `{name}` was taken yet; ask the database: GET /v1/sources/{name}/schemas");
        Error::new(ErrorCode::NotFound, message)
    })?;
    if let Some(wanted) = query.schema {
        snapshot.content.schemas.retain(|schema| schema.schema.name == wanted);
        if snapshot.content.schemas.is_empty() {
            return Err(Error::not_found("schema", wanted).into());
        }
    }
    Ok(Json(snapshot))
}
