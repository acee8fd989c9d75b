//! The owner of the demo tenant, and the key it calls with.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tidegate_core::{
    Error, Name, Result,
    api_key::ApiKey,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    principal::{Role, Scope},
    tenant::Tenant,
};
use tidegate_http::api_key::{self, PresentedKey};
use tidegate_platform::Platform;

use super::record::Record;

/// The name of the demo tenant.
pub(super) const TENANT: &str = "demo";

/// The key the owner calls with.
pub(super) struct OwnerKey {
    pub(super) key: SecretString,
    pub(super) is_new: bool,
}

/// The owner's key: the one that was written down, as long as it works, or else a new one.
pub(super) async fn ensure(platform: &Platform, folder: &Path) -> Result<OwnerKey> {
    let tenant = match platform.tenants.find(&TENANT.parse()?).await? {
        Some(tenant) => tenant,
        None => make_tenant(platform, TENANT.parse()?).await?,
    };
    if let Some(record) = Record::read(folder)
        && works(platform, tenant.id, &record.api_key).await?
    {
        return Ok(OwnerKey { key: record.api_key, is_new: false });
    }
    Ok(OwnerKey { key: make_key(platform, &tenant).await?, is_new: true })
}

/// Makes a tenant.
pub(super) async fn make_tenant(platform: &Platform, name: Name) -> Result<Tenant> {
    let tenant = Tenant { id: TenantId::from_uuid(platform.ids.uuid()), name, created_at: platform.clock.now() };
    platform.tenants.create(&tenant).await?;
    Ok(tenant)
}

async fn works(platform: &Platform, tenant: TenantId, key: &SecretString) -> Result<bool> {
    let Some(presented) = PresentedKey::parse(key.expose_secret()) else { return Ok(false) };
    let stored = platform.keys.get(tenant, presented.id.as_uuid()).await?;
    let valid = |key: &ApiKey| presented.matches(&key.secret_hash) && key.is_valid_at(platform.clock.now());
    Ok(stored.is_some_and(|key| valid(&key)))
}

/// Makes a key for the owner of a tenant.
pub(super) async fn make_key(platform: &Platform, tenant: &Tenant) -> Result<SecretString> {
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
