//! Queries: named, versioned, typed statement templates.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Name,
    budget::Limits,
    id::{QueryId, SourceId, TenantId},
    parameter::Parameter,
    ports::{Entity, EntityKind, Reference},
    result::Column,
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
    /// Whether the history keeps the arguments of its executions. Whoever may see an execution sees them.
    #[serde(default)]
    pub keep_arguments: bool,
}

/// How far a query was proved when it was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Its source prepared the statement.
    Described,
    /// Its source could not be reached: the statement was compiled and parsed, no more.
    Parsed,
}

/// A registered query, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Its id.
    pub id: QueryId,
    /// Its owner.
    pub tenant: TenantId,
    /// What its author wrote.
    pub spec: QuerySpec,
    /// Its source.
    pub source_id: SourceId,
    /// The columns of its result, when its source described them.
    pub columns: Option<Vec<Column>>,
    /// How far it was proved.
    pub proof: Proof,
    /// Counts its changes, from 1.
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
        &self.spec.name
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn tags(&self) -> &[String] {
        &self.spec.tags
    }
    fn label(&self) -> Option<&str> {
        Some(match self.spec.mode {
            Mode::Read => "read",
            Mode::Write => "write",
        })
    }
    fn references(&self) -> Vec<Reference> {
        vec![Reference { kind: EntityKind::Source, id: self.source_id.as_uuid() }]
    }
}
