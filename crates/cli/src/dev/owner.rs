//! The owner of the demo tenant, and the key it calls with.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tidegate_core::{Result, api_key::ApiKey, id::TenantId};
use tidegate_http::api_key::PresentedKey;
use tidegate_platform::Platform;

use super::record::Record;
use crate::owner::{make_key, make_tenant};

/// The name of the demo tenant.
pub(super) const TENANT: &str = "demo";

/// The key the owner calls with.
pub(super) struct OwnerKey {
    pub(super) key: SecretString,
    pub(super) is_new: bool,
}

/// The owner's key: the one that was written down, as long as it works, or else a new one.
pub(super) async fn ensure(platform: &Platform, folder: &Path) -> Result<OwnerKey> {
    let Some(tenant) = platform.tenants.find(&TENANT.parse()?).await? else {
        let (_, key) = make_tenant(platform, TENANT.parse()?).await?;
        return Ok(OwnerKey { key, is_new: true });
    };
    if let Some(record) = Record::read(folder)
        && works(platform, tenant.id, &record.api_key).await?
    {
        return Ok(OwnerKey { key: record.api_key, is_new: false });
    }
    Ok(OwnerKey { key: make_key(platform, &tenant).await?, is_new: true })
}

async fn works(platform: &Platform, tenant: TenantId, key: &SecretString) -> Result<bool> {
    let Some(presented) = PresentedKey::parse(key.expose_secret()) else { return Ok(false) };
    let stored = platform.keys.get(tenant, presented.id.as_uuid()).await?;
    let valid = |key: &ApiKey| presented.matches(&key.secret_hash) && key.is_valid_at(platform.clock.now());
    Ok(stored.is_some_and(|key| valid(&key)))
}
