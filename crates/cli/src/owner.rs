//! Tenants, and the keys of their owners.

use secrecy::SecretString;
use tidegate_core::{Error, ErrorCode, Name, Result, tenant::Tenant};
use tidegate_platform::{
    Platform,
    owner::{self, OwnerKey},
};

/// Makes a tenant with a key for its owner.
pub(crate) async fn make_tenant(platform: &Platform, name: Name) -> Result<(Tenant, SecretString)> {
    let Platform { tenants, clock, ids, .. } = platform;
    let (tenant, made) = owner::make_tenant(name, &**tenants, &**clock, &**ids).await?;
    Ok((tenant, made.text))
}

/// Makes another key for the owner of a tenant. `InUse` when the tenant is being removed.
pub(crate) async fn make_key(platform: &Platform, tenant: &Tenant) -> Result<SecretString> {
    if tenant.is_closed() {
        let message = format!(
            "the tenant `{0}` is being deleted: `tidegate tenants delete {0}` brings that to its end",
            tenant.name
        );
        return Err(Error::new(ErrorCode::InUse, message));
    }
    let made = OwnerKey::generate(tenant, &*platform.clock, &*platform.ids)?;
    platform.keys.create(&made.key).await?;
    Ok(made.text)
}
