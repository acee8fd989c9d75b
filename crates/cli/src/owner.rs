//! Tenants, and the keys of their owners.

use secrecy::SecretString;
use tidegate_core::{
    Error, Name, Result,
    api_key::ApiKey,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    principal::{Role, Scope},
    tenant::Tenant,
};
use tidegate_http::api_key;
use tidegate_platform::Platform;

/// Makes a tenant.
pub(crate) async fn make_tenant(platform: &Platform, name: Name) -> Result<Tenant> {
    let tenant = Tenant { id: TenantId::from_uuid(platform.ids.uuid()), name, created_at: platform.clock.now() };
    platform.tenants.create(&tenant).await?;
    Ok(tenant)
}

/// Makes a key for the owner of a tenant.
pub(crate) async fn make_key(platform: &Platform, tenant: &Tenant) -> Result<SecretString> {
    let id = ApiKeyId::from_uuid(platform.ids.uuid());
    let (key, secret_hash) = api_key::generate(tenant.id, id, &*platform.ids)?;
    let name = format!("owner-{}", id.as_uuid().simple());
    platform
        .keys
        .create(&ApiKey {
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
            created_at: platform.clock.now(),
        })
        .await?;
    Ok(key)
}
