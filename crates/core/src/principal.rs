//! Who is calling.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Name,
    budget::Limits,
    id::{ApiKeyId, TenantId},
};

/// A place in a tenant. The order is the order of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees what is registered.
    Viewer,
    /// Runs queries too.
    Runner,
    /// Writes queries and servers too, and raw SQL where a source allows it.
    Editor,
    /// Registers sources and manages API keys too.
    Admin,
    /// May do everything in the tenant.
    Owner,
}

impl Role {
    /// The word in declarations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Runner => "runner",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// What an API key is narrowed to. Empty lists mean that it is not narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The servers it may use, with the queries they select.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Name>,
    /// The queries it may run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Name>,
}

impl Scope {
    /// Whether it leaves everything open.
    pub fn is_everything(&self) -> bool {
        self.servers.is_empty() && self.queries.is_empty()
    }
}

/// Who is calling, in one tenant. Everything behind the edge takes this, never a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The tenant it acts in.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: Name,
    /// Which caller it is.
    pub caller: Caller,
    /// Its role.
    pub role: Role,
    /// What it is narrowed to.
    pub scope: Scope,
    /// Limits of every execution it asks for.
    pub limits: Limits,
}

/// What kind of caller a principal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A program with an API key.
    ApiKey(ApiKeyId),
}
