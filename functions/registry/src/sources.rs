//! Sources.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    budget::Limits,
    cost::MaxEstimate,
    health::SourceHealth,
    id::{SourceId, TenantId},
    policy::{self, ReadRegistry, WriteSources},
    ports::{EntityKind, find},
    server::Server,
    source::{Connection, Credentials, SecretRef, Source, SourceKind, SourceSpec},
};
use tidegate_http::{
    Caller, Created, IdempotentBody, JsonBody, Problem, idempotency,
    list::{ListQuery, Listed, Params},
    version::{IfMatch, Versioned},
};
use utoipa::ToSchema;

use crate::{RegistryState, entity, entity::DeleteQuery, queries};

/// A source, as callers see it. Its credentials are never given back.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceView {
    id: SourceId,
    name: Name,
    kind: SourceKind,
    description: String,
    connection: Connection,
    /// Whether the vault holds credentials for it.
    has_credentials: bool,
    tags: Vec<String>,
    limits: Limits,
    #[serde(skip_serializing_if = "MaxEstimate::is_empty")]
    max_estimate: MaxEstimate,
    allow_raw: bool,
    allow_raw_writes: bool,
    /// What its login may do beyond reading, each with the statement that takes it away, and that its credentials are old.
    warnings: Vec<String>,
    /// What the last check found; none when there was none within a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<SourceHealth>,
    version: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl SourceView {
    fn of(source: &Source) -> Self {
        Self {
            id: source.id,
            name: source.name.clone(),
            kind: source.connection.kind(),
            description: source.description.clone(),
            connection: source.connection.clone(),
            has_credentials: source.secret.is_some(),
            tags: source.tags.clone(),
            limits: source.limits,
            max_estimate: source.max_estimate,
            allow_raw: source.allow_raw,
            allow_raw_writes: source.allow_raw_writes,
            warnings: source.warnings.clone(),
            health: None,
            version: source.version,
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }

    /// A source with what scheduled tasks know of it. What they found where it was before is not of it.
    fn observed(source: &Source, state: &RegistryState, health: Option<&SourceHealth>) -> Self {
        let mut view = Self::of(source);
        view.health = health.filter(|health| source.was_here_at(health.checked_at)).cloned();
        let due = state.rotation.of_source(source, state.clock.now());
        view.warnings.extend(due.map(|due| due.to_string()));
        view
    }

    fn versioned(source: &Source) -> Versioned<Self> {
        Versioned(source.version, Self::of(source))
    }
}

/// Register a source
#[utoipa::path(post, path = "/v1/sources", tag = "sources", request_body = SourceSpec,
    params(("idempotency-key" = Option<String>, Header, description = "makes it safe to send the same request again")),
    responses((status = 201, body = SourceView)))]
pub async fn create(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    IdempotentBody(spec, request): IdempotentBody<SourceSpec>,
) -> Result<Created<SourceView>, Problem> {
    let permit = policy::permit::<WriteSources>(&principal)?;
    let room = state.quotas.expect_room(&*state.sources, permit.tenant());
    if let Some(made) = idempotency::begin(&*state.sources, permit.tenant(), request.as_ref(), room).await? {
        return Ok(Created::before(SourceView::versioned(&made)));
    }
    spec.check()?;
    let id = SourceId::from_uuid(state.ids.uuid());
    let secret = keep(&state, permit.tenant(), id, spec.credentials.as_ref()).await?;
    let now = state.clock.now();
    let mut source = Source {
        id,
        tenant: permit.tenant(),
        name: spec.name,
        description: spec.description,
        connection: spec.connection,
        connection_since: None,
        secret,
        tags: spec.tags,
        limits: spec.limits,
        max_estimate: spec.max_estimate,
        allow_raw: spec.allow_raw,
        allow_raw_writes: spec.allow_raw_writes,
        warnings: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    if let Err(error) = look_at(&state, &mut source).await {
        forget(&state, source.secret.as_ref()).await;
        return Err(error.into());
    }
    let created = idempotency::create(&*state.sources, &source, request.as_ref()).await;
    if is_unwritten(&created) || matches!(created, Ok(Some(_))) {
        forget(&state, source.secret.as_ref()).await;
    }
    Ok(match created? {
        None => Created::just(SourceView::versioned(&source)),
        Some(made) => Created::before(SourceView::versioned(&made)),
    })
}

/// List the sources
#[utoipa::path(get, path = "/v1/sources", tag = "sources", params(ListQuery),
    responses((status = 200, body = Listed<SourceView>)))]
pub async fn list(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<Listed<SourceView>>, Problem> {
    let page = entity::page(&*state.sources, &principal, &query).await?;
    let health = match (page.items.first(), page.items.last()) {
        (Some(first), Some(last)) => state.health.of_sources(first.tenant, first.id..=last.id).await?,
        _ => BTreeMap::new(),
    };
    Ok(Json(Listed::of(page, |source| SourceView::observed(source, &state, health.get(&source.id)))))
}

/// Read a source
#[utoipa::path(get, path = "/v1/sources/{source}", tag = "sources",
    params(("source" = String, Path, description = "name or id")), responses((status = 200, body = SourceView)))]
pub async fn read(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
) -> Result<Versioned<SourceView>, Problem> {
    let permit = policy::permit::<ReadRegistry>(&principal)?;
    let source = find(&*state.sources, permit.tenant(), &which).await?;
    let health = state.health.of_sources(source.tenant, source.id..=source.id).await?;
    Ok(Versioned(source.version, SourceView::observed(&source, &state, health.get(&source.id))))
}

/// Replace a source
///
/// Leaving out `credentials` keeps the ones there are, unless the connection leads elsewhere: then they are dropped,
/// so that nobody can send a stored password to a server of their own.
#[utoipa::path(put, path = "/v1/sources/{source}", tag = "sources", request_body = SourceSpec,
    params(("source" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read")),
    responses((status = 200, body = SourceView)))]
pub async fn replace(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
    JsonBody(spec): JsonBody<SourceSpec>,
) -> Result<Versioned<SourceView>, Problem> {
    let permit = policy::permit::<WriteSources>(&principal)?;
    let stored = entity::current(&*state.sources, permit.tenant(), &which, version).await?;
    entity::expect_name(&*stored, &spec.name)?;
    spec.check()?;
    let secret = match &spec.credentials {
        Some(credentials) => keep(&state, stored.tenant, stored.id, Some(credentials)).await?,
        None if stored.connection == spec.connection => stored.secret.clone(),
        None => None,
    };
    let mut source = Source {
        description: spec.description,
        connection: spec.connection,
        secret,
        tags: spec.tags,
        limits: spec.limits,
        max_estimate: spec.max_estimate,
        allow_raw: spec.allow_raw,
        allow_raw_writes: spec.allow_raw_writes,
        version: version + 1,
        updated_at: state.clock.now(),
        ..Source::clone(&stored)
    };
    let looked_at = look_at(&state, &mut source).await;
    if source.connection != stored.connection {
        // As late as can be: a look that begins before this one is stored is at the database before.
        source.connection_since = Some(state.clock.now());
    }
    let replaced = match &looked_at {
        Ok(()) => state.sources.replace(&source).await,
        Err(error) => Err(error.clone()),
    };
    if stored.secret != source.secret {
        if replaced.is_ok() {
            forget(&state, stored.secret.as_ref()).await;
        } else if looked_at.is_err() || is_unwritten(&replaced) {
            forget(&state, source.secret.as_ref()).await;
        }
    }
    replaced?;
    Ok(SourceView::versioned(&source))
}

/// Delete a source
#[utoipa::path(delete, path = "/v1/sources/{source}", tag = "sources",
    params(("source" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read"), DeleteQuery),
    responses((status = 204)))]
pub async fn delete(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
    Params(options): Params<DeleteQuery>,
) -> Result<StatusCode, Problem> {
    let permit = policy::permit::<WriteSources>(&principal)?;
    let source = entity::current(&*state.sources, permit.tenant(), &which, version).await?;
    if options.cascade {
        free(&state, &source).await?;
    }
    state.sources.delete(&source).await?;
    forget(&state, source.secret.as_ref()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes what the login of a source may do, as a warning.
async fn look_at(state: &RegistryState, source: &mut Source) -> Result<()> {
    source.warnings = state.engine.privilege_warnings(source).await?;
    Ok(())
}

/// Deletes the queries of a source, or only their drafts where something else of them runs, and takes it out of the
/// servers that show it.
async fn free(state: &RegistryState, source: &Source) -> Result<()> {
    for user in state.sources.users(source.tenant, source.id.as_uuid()).await? {
        match user.kind {
            EntityKind::Query => {
                if let Some(query) = state.queries.get(source.tenant, user.id).await? {
                    let runs_elsewhere = query.published().is_some_and(|published| published.source_id != source.id);
                    match query.without_draft(state.clock.now()).filter(|_| runs_elsewhere) {
                        Some(without) => state.queries.replace(&without).await?,
                        None => {
                            queries::free(state, &query).await?;
                            state.queries.delete(&query).await?;
                        }
                    }
                }
            }
            EntityKind::Server => {
                if let Some(server) = state.servers.get(source.tenant, user.id).await? {
                    let mut without = Server::clone(&server);
                    without.source_ids.retain(|id| *id != source.id);
                    without.spec.sources.retain(|name| *name != source.name);
                    without.version += 1;
                    without.updated_at = state.clock.now();
                    state.servers.replace(&without).await?;
                }
            }
            EntityKind::Source | EntityKind::ApiKey => {
                return Err(Error::internal(format_args!("a {} refers to source {}", user.kind, source.id)));
            }
        }
    }
    Ok(())
}

/// Keeps credentials in the vault under a new reference.
async fn keep(
    state: &RegistryState,
    tenant: TenantId,
    id: SourceId,
    credentials: Option<&Credentials>,
) -> Result<Option<SecretRef>> {
    let Some(credentials) = credentials else { return Ok(None) };
    let reference = SecretRef::new(tenant, id, state.ids.uuid());
    let secret = serde_json::json!({"password": credentials.password.expose_secret()}).to_string();
    state.vault.put(&reference, &SecretString::from(secret)).await?;
    Ok(Some(reference))
}

/// Whether a write failed for sure. A store that does not answer may have written all the same, and a source without
/// its credentials is worse than credentials without their source.
fn is_unwritten<T>(written: &Result<T>) -> bool {
    written.as_ref().is_err_and(|error| !matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal))
}

/// Forgets credentials that nothing refers to. A failure leaves an entry that nobody can reach, so it is only logged.
async fn forget(state: &RegistryState, reference: Option<&SecretRef>) {
    if let Some(reference) = reference
        && let Err(error) = state.vault.delete(reference).await
    {
        tracing::warn!(?error, "a secret that is not needed any more stays in the vault");
    }
}

/// The source that a query names.
pub(crate) async fn named(state: &RegistryState, tenant: TenantId, name: &Name) -> Result<Arc<Source>> {
    let source = state.sources.find(tenant, name).await?;
    source.ok_or_else(|| Error::invalid_argument("source", format!("there is no source `{name}`")))
}
