//! Servers: named selections of queries and built-in tools, each with an MCP endpoint.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Name,
    id::{QueryId, ServerId, SourceId, TenantId},
    ports::{Entity, EntityKind, Reference},
    query::{Query, QuerySpec},
};

/// A tool that needs no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    /// Lists the tables of a source.
    ListTables,
    /// Describes one table.
    DescribeTable,
    /// Runs one reading SQL statement, on sources that allow it.
    RunSql,
}

impl Builtin {
    /// Every built-in, in the order tools are listed.
    pub const ALL: [Self; 3] = [Self::ListTables, Self::DescribeTable, Self::RunSql];

    /// The name of the tool.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ListTables => "list_tables",
            Self::DescribeTable => "describe_table",
            Self::RunSql => "run_sql",
        }
    }
}

/// What a caller writes to register a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// Its name; it stands in the URL of its endpoint.
    pub name: Name,
    /// A short title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What an assistant should know before it uses the tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The names of its queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Name>,
    /// Queries with any of these tags are its too, those made later included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_tags: Vec<String>,
    /// Its built-in tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builtins: Vec<Builtin>,
    /// The names of the sources that the built-in tools may look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Name>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A registered server, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Its owner.
    pub tenant: TenantId,
    /// What its author wrote.
    pub spec: ServerSpec,
    /// Its queries that are named, in the order of the names.
    pub query_ids: Vec<QueryId>,
    /// Its sources, in the order of their names.
    pub source_ids: Vec<SourceId>,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl Server {
    /// Whether the server shows this query as a tool, once it is published.
    pub fn selects(&self, query: &Query) -> bool {
        let is_tagged = |spec: &QuerySpec| spec.tags.iter().any(|tag| self.spec.query_tags.contains(tag));
        self.tenant == query.tenant
            && (self.query_ids.contains(&query.id)
                || query.published().is_some_and(|published| is_tagged(&published.spec)))
    }

    /// Whether its built-in tool may be used on this source.
    pub fn offers(&self, builtin: Builtin, source: SourceId) -> bool {
        self.spec.builtins.contains(&builtin) && self.source_ids.contains(&source)
    }
}

impl Entity for Server {
    const KIND: EntityKind = EntityKind::Server;

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
        None
    }
    fn references(&self) -> Vec<Reference> {
        let queries = self.query_ids.iter().map(|id| Reference { kind: EntityKind::Query, id: id.as_uuid() });
        let sources = self.source_ids.iter().map(|id| Reference { kind: EntityKind::Source, id: id.as_uuid() });
        queries.chain(sources).collect()
    }
}
