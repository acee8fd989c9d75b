//! Tenants, and who may make them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Name, id::TenantId};

/// An organisation; it owns everything below, and is the unit of isolation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, unique in the deployment; it stands in the URL of its MCP endpoints.
    pub name: Name,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its removal began. From then on nobody is let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
}

impl Tenant {
    /// Whether it is being removed.
    pub fn is_closed(&self) -> bool {
        self.closed_at.is_some()
    }
}

/// Who may make a tenant beside the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    /// Nobody.
    #[default]
    Closed,
    /// Everybody who reaches the deployment.
    Open,
}
