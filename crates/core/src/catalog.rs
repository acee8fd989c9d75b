//! What a source contains.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A schema (MySQL: a database; SQLite: an attached file).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Whether a relation stores rows or computes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// A table; partitioned and foreign tables count as tables.
    Table,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
}

/// A table or view, as listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The planner's estimate of its rows, where the engine keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_estimate: Option<u64>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type as the engine writes it.
    pub database_type: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Its default as SQL text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForeignKey {
    /// The columns of this table, in the order of the key.
    pub columns: Vec<String>,
    /// The schema of the table it points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references_schema: Option<String>,
    /// The table it points to.
    pub references_table: String,
    /// The columns it points to, in the same order.
    pub references_columns: Vec<String>,
}

/// A table with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableDetail {
    /// The schema it is in.
    pub schema: String,
    /// The table itself.
    #[serde(flatten)]
    pub table: Table,
    /// Its columns in their order.
    pub columns: Vec<TableColumn>,
    /// The columns of the primary key in their order; empty when there is none.
    pub primary_key: Vec<String>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
}
