//! Queries: named, versioned, typed statement templates.

mod revision;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::revision::{KEPT_REVISIONS, Proof, Revision, Stage};
use crate::{
    Name,
    budget::Limits,
    cost::MaxEstimate,
    id::{QueryId, TenantId},
    parameter::Parameter,
    ports::{Entity, EntityKind, Reference},
};

/// Whether a query may change data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Its statement only reads; anything else is refused.
    #[default]
    Read,
    /// Its statement changes rows.
    Write,
}

/// A direction of ordering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the least.
    #[default]
    Asc,
    /// From the greatest.
    Desc,
}

/// A result column that pages are ordered by. Together the columns must tell every row apart, and hold no NULL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderColumn {
    /// The name of the result column.
    pub column: String,
    /// The direction.
    #[serde(default)]
    pub direction: Direction,
}

/// What a caller writes to register a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuerySpec {
    /// Its name; the name of its tool too.
    pub name: Name,
    /// A short title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it answers and when to use it; assistants choose by this.
    pub description: String,
    /// The name of its source.
    pub source: Name,
    /// The template of its statement.
    pub statement: String,
    /// Whether it may change data.
    #[serde(default)]
    pub mode: Mode,
    /// Its parameters.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// The columns that pages are ordered by. Without them, pages go by `LIMIT` and `OFFSET`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<OrderColumn>,
    /// Words to find it by, and for servers to select it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Limits of every execution of it.
    #[serde(default)]
    pub limits: Limits,
    /// The most that the database may expect an execution of it to take.
    #[serde(default, skip_serializing_if = "MaxEstimate::is_empty")]
    pub max_estimate: MaxEstimate,
    /// Whether the history keeps the arguments of its executions. Whoever may see an execution sees them.
    #[serde(default)]
    pub keep_arguments: bool,
    /// That it should not be used any more: what to use instead, or why. It still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
}

/// A registered query, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Its id.
    pub id: QueryId,
    /// Its owner.
    pub tenant: TenantId,
    /// What runs, and what waits.
    pub stage: Stage,
    /// The number of the newest revision.
    pub newest_revision: u64,
    /// Counts its changes, from 1; publishing is one of them.
    pub version: u64,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl Entity for Query {
    const KIND: EntityKind = EntityKind::Query;

    fn tenant(&self) -> TenantId {
        self.tenant
    }
    fn id(&self) -> Uuid {
        self.id.as_uuid()
    }
    fn name(&self) -> &Name {
        &self.shown().spec.name
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn tags(&self) -> &[String] {
        &self.shown().spec.tags
    }
    fn label(&self) -> Option<&str> {
        Some(match self.shown().spec.mode {
            Mode::Read => "read",
            Mode::Write => "write",
        })
    }
    fn references(&self) -> Vec<Reference> {
        let held = self.held_revisions().into_iter();
        held.map(|held| Reference { kind: EntityKind::Source, id: held.source_id.as_uuid() }).collect()
    }
    fn held_revisions(&self) -> Vec<&Revision> {
        self.published().into_iter().chain(self.draft()).map(|held| &**held).collect()
    }
    fn kept_revisions(&self) -> BTreeSet<u64> {
        let oldest = self.newest_revision.saturating_sub(KEPT_REVISIONS) + 1;
        (oldest..=self.newest_revision).chain(self.published().map(|published| published.number)).collect()
    }
}
