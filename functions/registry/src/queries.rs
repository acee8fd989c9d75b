//! Queries.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tidegate_core::{
    Error, Result,
    id::QueryId,
    policy::{self, Permit, WriteQueries},
    ports::{Entity, EntityKind},
    query::{Proof, Query, QuerySpec, Revision, Stage},
    result::Column,
    server::{Builtin, Server},
};
use tidegate_engine::check::Checked;
use tidegate_http::{
    Caller, Created, IdempotentBody, JsonBody, Problem, idempotency,
    list::{ListQuery, Listed, Params},
    version::{IfMatch, Versioned},
};
use utoipa::{IntoParams, ToSchema};

use crate::{RegistryState, entity, entity::DeleteQuery, revisions::RevisionView, sources};

/// A query, as callers see it: what runs of it, or its draft before anything does.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueryView {
    id: QueryId,
    #[serde(flatten)]
    spec: QuerySpec,
    /// The columns of its result, when its source described them.
    columns: Option<Vec<Column>>,
    proof: Proof,
    /// The number of the revision that runs; null before one is published.
    revision: Option<u64>,
    /// The revision that waits to be published; null when none does.
    draft: Option<RevisionView>,
    version: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl QueryView {
    fn of(query: &Query) -> Self {
        let shown = query.shown();
        Self {
            id: query.id,
            spec: shown.spec.clone(),
            columns: shown.columns.clone(),
            proof: shown.proof,
            revision: query.published().map(|published| published.number),
            draft: query.draft().map(|draft| RevisionView::of(draft)),
            version: query.version,
            created_at: query.created_at,
            updated_at: query.updated_at,
        }
    }
}

/// A query as a change left it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedQuery {
    #[serde(flatten)]
    query: QueryView,
    /// What should be known of the change: that it is only a draft, and why.
    warnings: Vec<String>,
}

impl ChangedQuery {
    pub(crate) fn of(query: &Query, warnings: Vec<String>) -> Versioned<Self> {
        Versioned(query.version, Self { query: QueryView::of(query), warnings })
    }

    /// When the change was made before. What its check warned of is not kept.
    fn again(query: &Query) -> Versioned<Self> {
        Self::of(query, waiting(query).into_iter().collect())
    }
}

/// How a save is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SaveQuery {
    /// Whether it is only a draft: what runs stays until the draft is published.
    #[serde(default)]
    pub draft: bool,
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
///
/// It is published at once. While its source cannot be reached, or with `draft=true`, it is a draft.
#[utoipa::path(post, path = "/v1/queries", tag = "queries", request_body = QuerySpec,
    params(SaveQuery, ("idempotency-key" = Option<String>, Header, description = "makes it safe to send the same request again")),
    responses((status = 201, body = ChangedQuery)))]
pub async fn create(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Params(save): Params<SaveQuery>,
    IdempotentBody(spec, request): IdempotentBody<QuerySpec>,
) -> Result<Created<ChangedQuery>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let room = state.quotas.expect_room(&*state.queries, permit.tenant());
    if let Some(made) = idempotency::begin(&*state.queries, permit.tenant(), request.as_ref(), room).await? {
        return Ok(Created::before(ChangedQuery::again(&made)));
    }
    expect_free_name(&spec)?;
    let (revision, mut warnings) = checked(&state, &permit, 1, spec).await?;
    let now = revision.saved_at;
    let stage = if save.draft || revision.proof == Proof::Parsed {
        Stage::Draft(Arc::new(revision))
    } else {
        Stage::Published(Arc::new(Revision { published_at: Some(now), ..revision }))
    };
    let query = Query {
        id: QueryId::from_uuid(state.ids.uuid()),
        tenant: permit.tenant(),
        stage,
        newest_revision: 1,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    if let Some(made) = idempotency::create(&*state.queries, &query, request.as_ref()).await? {
        return Ok(Created::before(ChangedQuery::again(&made)));
    }
    warnings.extend(waiting(&query));
    Ok(Created::just(ChangedQuery::of(&query, warnings)))
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
///
/// Saves another revision and publishes it at once. While its source cannot be reached, or with `draft=true`, the
/// revision is a draft, and what runs stays.
#[utoipa::path(put, path = "/v1/queries/{query}", tag = "queries", request_body = QuerySpec,
    params(("query" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read"), SaveQuery),
    responses((status = 200, body = ChangedQuery)))]
pub async fn replace(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
    Params(save): Params<SaveQuery>,
    JsonBody(spec): JsonBody<QuerySpec>,
) -> Result<Versioned<ChangedQuery>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let stored = entity::current(&*state.queries, permit.tenant(), &which, version).await?;
    entity::expect_name(&*stored, &spec.name)?;
    let (revision, mut warnings) = checked(&state, &permit, stored.newest_revision + 1, spec).await?;
    let query = if save.draft || revision.proof == Proof::Parsed {
        stored.with_draft(revision)
    } else {
        let now = revision.saved_at;
        stored.with_published(revision, now)
    };
    state.queries.replace(&query).await?;
    warnings.extend(waiting(&query));
    Ok(ChangedQuery::of(&query, warnings))
}

/// Delete a query
///
/// Its revisions go with it.
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
            without.spec.queries.retain(|name| name != query.name());
            without.version += 1;
            without.updated_at = state.clock.now();
            state.servers.replace(&without).await?;
        }
    }
    Ok(())
}

/// What the check of a save leaves: a revision with this number, and what should be known of it.
async fn checked(
    state: &RegistryState,
    permit: &Permit<WriteQueries>,
    number: u64,
    spec: QuerySpec,
) -> Result<(Revision, Vec<String>)> {
    let source = sources::named(state, permit.tenant(), &spec.source).await?;
    let Checked { proof, columns, warnings, .. } = state.engine.check(&spec, &source).await?;
    let revision = Revision {
        number,
        spec,
        source_id: source.id,
        columns,
        proof,
        saved_at: state.clock.now(),
        saved_by: permit.principal().caller.clone(),
        published_at: None,
    };
    Ok((revision, warnings))
}

/// Says of a query whose newest revision is a draft what runs instead, and what to do.
fn waiting(query: &Query) -> Option<String> {
    let draft = query.draft()?.number;
    let runs = match query.published() {
        None => "nothing of this query runs yet".to_owned(),
        Some(published) => format!("revision {} keeps running", published.number),
    };
    Some(format!("revision {draft} is a draft and {runs}; publish it with POST /v1/queries/{}/publish", query.name()))
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
