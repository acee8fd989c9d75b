//! Tenants, and the keys of their owners.

use secrecy::SecretString;
use tidegate_core::{
    Error, Name, Result,
    api_key::ApiKey,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    ports::{Clock, Ids, Tenants},
    principal::{Role, Scope},
    tenant::Tenant,
};
use tidegate_http::api_key;

/// An API key of an owner.
#[derive(Debug)]
pub struct OwnerKey {
    /// The key, as it is stored.
    pub key: ApiKey,
    /// Its text, which is stored nowhere.
    pub text: SecretString,
}

impl OwnerKey {
    /// A new key of the owner of a tenant. It is not stored yet.
    pub fn generate(tenant: &Tenant, clock: &dyn Clock, ids: &dyn Ids) -> Result<Self> {
        let id = ApiKeyId::from_uuid(ids.uuid());
        let (text, secret_hash) = api_key::generate(tenant.id, id, ids)?;
        let name = format!("owner-{}", id.as_uuid().simple());
        let key = ApiKey {
            id,
            tenant: tenant.id,
            tenant_name: tenant.name.clone(),
            name: name.parse().map_err(|error: Error| error.with_context("the name of the owner's key"))?,
            secret_hash,
            role: Role::Owner,
            scope: Scope::default(),
            limits: Limits::default(),
            expires_at: None,
            revoked_at: None,
            version: 1,
            created_at: clock.now(),
        };
        Ok(Self { key, text })
    }
}

/// Makes a tenant with the first key of its owner, both or neither. `AlreadyExists` when the name is taken.
pub async fn make_tenant(
    name: Name,
    tenants: &dyn Tenants,
    clock: &dyn Clock,
    ids: &dyn Ids,
) -> Result<(Tenant, OwnerKey)> {
    let tenant = Tenant { id: TenantId::from_uuid(ids.uuid()), name, created_at: clock.now(), closed_at: None };
    let owner_key = OwnerKey::generate(&tenant, clock, ids)?;
    tenants.create(&tenant, &owner_key.key).await?;
    Ok((tenant, owner_key))
}
