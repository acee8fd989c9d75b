//! A short memory in front of the tenants.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tidegate_core::{
    Name, Result,
    api_key::ApiKey,
    memory::Memory,
    ports::{Page, Tenants},
    tenant::Tenant,
};
use uuid::Uuid;

/// Tenants that are found in memory for a short time. One that is there stays as it is, so only its end is seen late.
/// What does not exist is never remembered.
pub struct CachedTenants {
    inner: Arc<dyn Tenants>,
    found: Memory<Name, Tenant>,
}

impl CachedTenants {
    /// Remembers at most `capacity` tenants, each for `lifetime`.
    pub fn new(inner: Arc<dyn Tenants>, capacity: u64, lifetime: Duration) -> Self {
        Self { inner, found: Memory::of_entries(capacity).for_at_most(lifetime) }
    }
}

#[async_trait]
impl Tenants for CachedTenants {
    async fn create(&self, tenant: &Tenant, first_key: &ApiKey) -> Result<()> {
        self.inner.create(tenant, first_key).await
    }

    async fn find(&self, name: &Name) -> Result<Option<Tenant>> {
        if let Some(tenant) = self.found.get(name) {
            return Ok(Some(tenant));
        }
        let found = self.inner.find(name).await?;
        if let Some(tenant) = &found {
            self.found.insert(name.clone(), tenant.clone());
        }
        Ok(found)
    }

    async fn page(&self, after: Option<Uuid>, limit: usize) -> Result<Page<Tenant>> {
        self.inner.page(after, limit).await
    }

    async fn close(&self, tenant: &Tenant, at: DateTime<Utc>) -> Result<()> {
        self.inner.close(tenant, at).await
    }

    async fn remove(&self, tenant: &Tenant) -> Result<u64> {
        self.inner.remove(tenant).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tidegate_core::id::TenantId;

    use super::*;

    /// At most one tenant, and the names that were looked for.
    #[derive(Default)]
    struct Store(Mutex<(Option<Tenant>, Vec<String>)>);

    #[async_trait]
    impl Tenants for Store {
        async fn create(&self, tenant: &Tenant, _: &ApiKey) -> Result<()> {
            self.0.lock().unwrap().0 = Some(tenant.clone());
            Ok(())
        }

        async fn find(&self, name: &Name) -> Result<Option<Tenant>> {
            let mut store = self.0.lock().unwrap();
            store.1.push(name.to_string());
            Ok(store.0.clone().filter(|tenant| tenant.name == *name))
        }

        async fn page(&self, _: Option<Uuid>, _: usize) -> Result<Page<Tenant>> {
            unimplemented!()
        }

        async fn close(&self, _: &Tenant, _: DateTime<Utc>) -> Result<()> {
            unimplemented!()
        }

        async fn remove(&self, _: &Tenant) -> Result<u64> {
            unimplemented!()
        }
    }

    #[tokio::test]
    async fn a_tenant_is_looked_for_until_it_is_there_and_then_once_in_a_lifetime() {
        let demo: Name = "demo".parse().unwrap();
        let tenant = Tenant {
            id: TenantId::from_uuid(Uuid::nil()),
            name: demo.clone(),
            created_at: DateTime::UNIX_EPOCH,
            closed_at: None,
        };
        for (lifetime, looks) in [(Duration::from_secs(3600), 3), (Duration::ZERO, 5)] {
            let store = Arc::new(Store::default());
            let cached = CachedTenants::new(Arc::clone(&store) as _, 10, lifetime);
            for _ in 0..2 {
                assert_eq!(cached.find(&demo).await.unwrap(), None);
            }
            store.0.lock().unwrap().0 = Some(tenant.clone());
            for _ in 0..3 {
                assert_eq!(cached.find(&demo).await.unwrap().as_ref(), Some(&tenant));
            }
            assert_eq!(cached.find(&"other".parse().unwrap()).await.unwrap(), None);
            assert_eq!(store.0.lock().unwrap().1.len(), looks + 1);
        }
    }
}
