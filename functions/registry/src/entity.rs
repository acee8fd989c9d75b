//! What the routes of every kind share.

use std::sync::Arc;

use axum::Json;
use serde::Deserialize;
use tidegate_core::{
    Error, Name, Result,
    id::TenantId,
    policy::{self, ReadRegistry},
    ports::{Entity, Page, Repository, find},
    principal::Principal,
};
use tidegate_http::{
    list::{ListQuery, Listed},
    version::{Versioned, conflict},
};
use utoipa::IntoParams;

/// How a deletion treats what needs the deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// Whether what needs it goes too: the queries of a source are deleted, servers leave it out.
    #[serde(default)]
    pub cascade: bool,
}

/// A page of a list, as callers see it.
pub(crate) async fn list<T: Entity, V>(
    repository: &dyn Repository<T>,
    principal: &Arc<Principal>,
    query: &ListQuery,
    view: impl Fn(&T) -> V,
) -> Result<Json<Listed<V>>> {
    Ok(Json(Listed::of(page(repository, principal, query).await?, view)))
}

/// A page of a list.
pub(crate) async fn page<T: Entity>(
    repository: &dyn Repository<T>,
    principal: &Arc<Principal>,
    query: &ListQuery,
) -> Result<Page<T>> {
    let permit = policy::permit::<ReadRegistry>(principal)?;
    repository.list(permit.tenant(), &query.filter(), query.after()?, query.limit()?).await
}

/// One entity with its version, as callers see it.
pub(crate) async fn read<T: Entity, V>(
    repository: &dyn Repository<T>,
    principal: &Arc<Principal>,
    which: &str,
    view: impl Fn(&T) -> V,
) -> Result<Versioned<V>> {
    let permit = policy::permit::<ReadRegistry>(principal)?;
    let entity = find(repository, permit.tenant(), which).await?;
    Ok(Versioned(entity.version(), view(&entity)))
}

/// The entity that a caller is about to change, when the version it read is the newest. The store checks it again as
/// it writes; here it spares the work that goes before.
pub(crate) async fn current<T: Entity>(
    repository: &dyn Repository<T>,
    tenant: TenantId,
    which: &str,
    read: u64,
) -> Result<Arc<T>> {
    let entity = find(repository, tenant, which).await?;
    if entity.version() == read {
        return Ok(entity);
    }
    Err(conflict(format_args!("the {} `{}`", T::KIND, entity.name()), read, entity.version()))
}

/// Refuses a replacement under another name: others refer to the entity by it.
pub(crate) fn expect_name<T: Entity>(entity: &T, name: &Name) -> Result<()> {
    if entity.name() == name {
        return Ok(());
    }
    Err(Error::invalid_argument(
        "name",
        format!("the name of the {} `{}` cannot change; make another under the new name", T::KIND, entity.name()),
    ))
}
