//! What a source contained, when that was looked at last.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{Schema, TableDetail};

/// The schemas and tables of a source. Estimates of rows are left out: they change though nothing was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogContent {
    /// Whether all of it is here. A source that holds more than a snapshot may is cut.
    pub is_complete: bool,
    /// The schemas in the order of their names.
    pub schemas: Vec<SchemaContent>,
}

/// A schema with its tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SchemaContent {
    /// The schema itself.
    #[serde(flatten)]
    pub schema: Schema,
    /// Its tables in the order of their names.
    pub tables: Vec<TableDetail>,
}

/// The last snapshot of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogSnapshot {
    /// When the last look at the source began.
    pub taken_at: DateTime<Utc>,
    /// Since when each look has found the same.
    pub changed_at: DateTime<Utc>,
    /// What it contained.
    #[serde(flatten)]
    pub content: CatalogContent,
}
