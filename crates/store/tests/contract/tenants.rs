//! Tenants, on the same stores as the contract of repositories.

use chrono::Utc;
use tidegate_core::{ErrorCode, Name, ports::Tenants, tenant::Tenant};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{TestStore, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_name_is_unique() {
    let test = TestStore::open().await;
    let name: Name = format!("acme-{}", Uuid::now_v7().simple()).parse().unwrap();
    let made = || Tenant { id: tenant(), name: name.clone(), created_at: Utc::now() };
    assert!(test.store.find(&name).await.unwrap().is_none());
    let mut creates = JoinSet::new();
    for _ in 0..10 {
        let (store, tenant) = (test.store.clone(), made());
        creates.spawn(async move { (tenant.clone(), store.create(&tenant).await) });
    }
    let (won, lost): (Vec<_>, Vec<_>) = creates.join_all().await.into_iter().partition(|(_, result)| result.is_ok());
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|(_, result)| result.unwrap_err().code() == ErrorCode::AlreadyExists));
    assert_eq!(test.store.find(&name).await.unwrap(), Some(won[0].0.clone()));
}
