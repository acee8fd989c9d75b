//! Revisions of queries: what was saved, what differs, and which one runs.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tidegate_core::{
    Error, ErrorCode, Result,
    policy::{self, ReadRegistry, WriteQueries},
    ports::{Entity, find},
    principal,
    query::{KEPT_REVISIONS, Proof, Query, QuerySpec, Revision},
    result::Column,
};
use tidegate_engine::check::Checked;
use tidegate_http::{
    Caller, JsonBody, Problem,
    list::{Listed, Params, page_limit},
    version::{IfMatch, Versioned},
};
use utoipa::{IntoParams, ToSchema};

use crate::{RegistryState, diff::RevisionDiff, entity, queries::ChangedQuery, sources};

/// A revision of a query, as callers see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionView {
    /// Counts the saves of the query, from 1.
    revision: u64,
    #[serde(flatten)]
    spec: QuerySpec,
    /// The columns of its result, when its source described them.
    columns: Option<Vec<Column>>,
    proof: Proof,
    saved_at: DateTime<Utc>,
    /// Who saved it: the id of an API key, or `token:` and the subject of a token.
    saved_by: principal::Caller,
    /// When it was published last; null when it never was.
    published_at: Option<DateTime<Utc>>,
}

impl RevisionView {
    pub(crate) fn of(revision: &Revision) -> Self {
        Self {
            revision: revision.number,
            spec: revision.spec.clone(),
            columns: revision.columns.clone(),
            proof: revision.proof,
            saved_at: revision.saved_at,
            saved_by: revision.saved_by.clone(),
            published_at: revision.published_at,
        }
    }
}

/// What part of the revisions is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevisionsQuery {
    /// The most on one page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<usize>,
    /// Where to go on: the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which revisions are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// The revision before. By default the one that runs when a draft waits, else the one before `to`.
    from: Option<u64>,
    /// The revision after. By default the newest.
    to: Option<u64>,
}

/// Which revision is to run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishBody {
    /// Its number; by default that of the draft.
    #[serde(default)]
    revision: Option<u64>,
}

/// List the revisions of a query
///
/// Newest first. The 50 newest are kept, and the one that runs.
#[utoipa::path(get, path = "/v1/queries/{query}/revisions", tag = "queries", operation_id = "list_revisions",
    params(("query" = String, Path, description = "name or id"), RevisionsQuery),
    responses((status = 200, body = Listed<RevisionView>)))]
pub async fn list(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    Params(wanted): Params<RevisionsQuery>,
) -> Result<Json<Listed<RevisionView>>, Problem> {
    let permit = policy::permit::<ReadRegistry>(&principal)?;
    let limit = page_limit(wanted.limit)?;
    let before = wanted.cursor.as_deref().map(cursor).transpose()?;
    let query = find(&*state.queries, permit.tenant(), &which).await?;
    // One more than asked for tells whether there is a next page.
    let mut revisions = state.revisions.newest(query.tenant, query.id, before, limit + 1).await?;
    let has_more = revisions.len() > limit;
    revisions.truncate(limit);
    let next = revisions.last().filter(|_| has_more).map(|last| last.number.to_string());
    Ok(Json(Listed { items: revisions.iter().map(RevisionView::of).collect(), next_cursor: next }))
}

/// Read a revision of a query
#[utoipa::path(get, path = "/v1/queries/{query}/revisions/{revision}", tag = "queries", operation_id = "read_revision",
    params(("query" = String, Path, description = "name or id"), ("revision" = u64, Path, description = "number")),
    responses((status = 200, body = RevisionView)))]
pub async fn read(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path((which, number)): Path<(String, String)>,
) -> Result<Json<RevisionView>, Problem> {
    let permit = policy::permit::<ReadRegistry>(&principal)?;
    let query = find(&*state.queries, permit.tenant(), &which).await?;
    let number =
        number.parse().map_err(|_| Error::invalid_argument("revision", "a revision is named by its number"))?;
    Ok(Json(RevisionView::of(&numbered(&state, &query, number).await?)))
}

/// Compare two revisions of a query
///
/// As JSON, or with `Accept: text/plain` as text for people.
#[utoipa::path(get, path = "/v1/queries/{query}/diff", tag = "queries", operation_id = "diff_revisions",
    params(("query" = String, Path, description = "name or id"), DiffQuery),
    responses((status = 200, body = RevisionDiff)))]
pub async fn diff(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    Params(wanted): Params<DiffQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = policy::permit::<ReadRegistry>(&principal)?;
    let query = find(&*state.queries, permit.tenant(), &which).await?;
    let (from, to) = compared(&query, &wanted)?;
    let (before, after) = (numbered(&state, &query, from).await?, numbered(&state, &query, to).await?);
    let diff = RevisionDiff::between(&before, &after)?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    Ok(if accept.trim_start().starts_with("text/plain") {
        diff.to_text().into_response()
    } else {
        Json(diff).into_response()
    })
}

/// Publish a revision of a query
///
/// It is proved on its source again and runs from then on; an older revision is a way back. Without a number it is the
/// draft that is published.
#[utoipa::path(post, path = "/v1/queries/{query}/publish", tag = "queries", operation_id = "publish_revision",
    request_body = PublishBody,
    params(("query" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read")),
    responses((status = 200, body = ChangedQuery)))]
pub async fn publish(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
    JsonBody(body): JsonBody<PublishBody>,
) -> Result<Versioned<ChangedQuery>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let stored = entity::current(&*state.queries, permit.tenant(), &which, version).await?;
    let number = match (body.revision, stored.draft()) {
        (Some(number), _) => number,
        (None, Some(draft)) => draft.number,
        (None, None) => Err(Error::invalid_argument(
            "revision",
            format!("the query `{}` has no draft; say which `revision` is to run", stored.name()),
        ))?,
    };
    let revision = numbered(&state, &stored, number).await?;
    let refused = |error: Error| error.in_part(format_args!("revision {number} cannot be published"));
    let source = sources::named(&state, stored.tenant, &revision.spec.source).await.map_err(refused)?;
    let Checked { proof, columns, warnings, .. } =
        state.engine.prove(&revision.spec, &source).await.map_err(refused)?;
    let proved = Revision { source_id: source.id, columns, proof, ..revision };
    let query = stored.with_published(proved, state.clock.now());
    state.queries.replace(&query).await?;
    Ok(ChangedQuery::of(&query, warnings))
}

/// Discard the draft of a query
///
/// What runs stays. The draft remains among the revisions.
#[utoipa::path(delete, path = "/v1/queries/{query}/draft", tag = "queries", operation_id = "discard_draft",
    params(("query" = String, Path, description = "name or id"), ("if-match" = String, Header, description = "the version that was read")),
    responses((status = 200, body = ChangedQuery)))]
pub async fn discard(
    State(state): State<RegistryState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<Versioned<ChangedQuery>, Problem> {
    let permit = policy::permit::<WriteQueries>(&principal)?;
    let stored = entity::current(&*state.queries, permit.tenant(), &which, version).await?;
    let query = stored.without_draft(state.clock.now()).ok_or_else(|| {
        let name = stored.name();
        Error::new(
            ErrorCode::InvalidRequest,
            match stored.published() {
                Some(_) => format!("the query `{name}` has no draft"),
                None => format!("the query `{name}` is nothing but a draft; delete the query"),
            },
        )
    })?;
    state.queries.replace(&query).await?;
    Ok(ChangedQuery::of(&query, Vec::new()))
}

/// The revision of a query with this number.
async fn numbered(state: &RegistryState, query: &Query, number: u64) -> Result<Revision> {
    let held = query.published().into_iter().chain(query.draft()).find(|held| held.number == number);
    let found = match held {
        Some(held) => Some(Revision::clone(held)),
        None => state.revisions.by_number(query.tenant, query.id, number).await?,
    };
    found.ok_or_else(|| {
        let (name, newest) = (query.name(), query.newest_revision);
        let kept = if number < newest { format!(", and the {KEPT_REVISIONS} newest are kept") } else { String::new() };
        Error::new(
            ErrorCode::NotFound,
            format!("the query `{name}` has no revision {number}; the newest is {newest}{kept}"),
        )
    })
}

/// The numbers of the revisions to compare.
fn compared(query: &Query, wanted: &DiffQuery) -> Result<(u64, u64)> {
    let to = wanted.to.unwrap_or(query.newest_revision);
    let runs =
        query.published().map(|published| published.number).filter(|_| wanted.to.is_none() && query.draft().is_some());
    let from = wanted.from.or(runs).unwrap_or(to.saturating_sub(1));
    match (from, to) {
        (0, _) if wanted.from.is_none() => {
            Err(Error::invalid_argument("to", format!("there is no revision before {to} to compare it with")))
        }
        _ if from == to => Err(Error::invalid_argument("from", format!("`from` and `to` are both revision {to}"))),
        _ => Ok((from, to)),
    }
}

/// The number before which a page begins. The revisions are read in the caller's own tenant, so it needs no seal.
fn cursor(cursor: &str) -> Result<u64> {
    cursor
        .parse()
        .map_err(|_| Error::new(ErrorCode::InvalidCursor, "this cursor is not one that a list gave; begin without one"))
}
