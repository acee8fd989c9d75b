//! API keys: secrets for programs. Only a hash of the secret is stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Name,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    ports::{Entity, EntityKind, Reference},
    principal::{Role, Scope},
};

/// An API key, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id; it is part of the key's text.
    pub id: ApiKeyId,
    /// The tenant it acts in.
    pub tenant: TenantId,
    /// That tenant's name.
    pub tenant_name: Name,
    /// Its name.
    pub name: Name,
    /// The SHA-256 of its secret, in hexadecimal. The secret has 256 random bits, so a slow hash would add nothing.
    pub secret_hash: String,
    /// Its role.
    pub role: Role,
    /// What it is narrowed to.
    pub scope: Scope,
    /// Limits of every execution it asks for.
    #[serde(default)]
    pub limits: Limits,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl ApiKey {
    /// Whether it works at `now`.
    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }
}

impl Entity for ApiKey {
    const KIND: EntityKind = EntityKind::ApiKey;

    fn tenant(&self) -> TenantId {
        self.tenant
    }
    fn id(&self) -> Uuid {
        self.id.as_uuid()
    }
    fn name(&self) -> &Name {
        &self.name
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn tags(&self) -> &[String] {
        &[]
    }
    fn label(&self) -> Option<&str> {
        Some(self.role.as_str())
    }
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }
}
