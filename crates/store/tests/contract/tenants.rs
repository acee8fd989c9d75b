//! Tenants, on the same stores as the contract of repositories.

use std::sync::Arc;

use chrono::Utc;
use tidegate_core::{
    ErrorCode, Name,
    api_key::ApiKey,
    ports::{self, Tenants},
    tenant::Tenant,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{TestStore, api_key, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_name_is_unique() {
    let test = TestStore::open().await;
    let name: Name = format!("acme-{}", Uuid::now_v7().simple()).parse().unwrap();
    let made = || Tenant { id: tenant(), name: name.clone(), created_at: Utc::now(), closed_at: None };
    assert!(test.store.find(&name).await.unwrap().is_none());
    let mut creates = JoinSet::new();
    for _ in 0..10 {
        let (store, tenant) = (test.store.clone(), made());
        let key = api_key(tenant.id, "owner");
        creates.spawn(async move { (tenant.clone(), store.create(&tenant, &key).await) });
    }
    let (won, lost): (Vec<_>, Vec<_>) = creates.join_all().await.into_iter().partition(|(_, result)| result.is_ok());
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|(_, result)| result.as_ref().unwrap_err().code() == ErrorCode::AlreadyExists));
    assert_eq!(test.store.find(&name).await.unwrap(), Some(won[0].0.clone()));
    for (lost, _) in lost {
        assert!(keys(&test, &lost).await.is_empty(), "a key of no tenant");
    }
}

#[tokio::test]
async fn a_tenant_comes_with_its_first_key() {
    let test = TestStore::open().await;
    let made = Tenant { id: tenant(), name: "acme".parse().unwrap(), created_at: Utc::now(), closed_at: None };
    let key = api_key(made.id, "owner");
    test.store.create(&made, &key).await.unwrap();
    let named: Option<Arc<ApiKey>> = ports::Repository::find(&test.store, made.id, &key.name).await.unwrap();
    assert_eq!(*named.unwrap(), key);
    assert_eq!(keys(&test, &made).await, [key]);
    assert_eq!(ports::Repository::<ApiKey>::count(&test.store, made.id, 10).await.unwrap(), 1);
}

async fn keys(test: &TestStore, tenant: &Tenant) -> Vec<ApiKey> {
    ports::all(&test.store, tenant.id).await.unwrap().into_iter().map(Arc::unwrap_or_clone).collect()
}

#[tokio::test]
async fn tenants_are_listed_page_by_page_in_the_order_of_making() {
    let test = TestStore::open().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let made_now = Tenant {
            id: tenant(),
            name: format!("t{number}").parse().unwrap(),
            created_at: Utc::now(),
            closed_at: None,
        };
        test.store.create(&made_now, &api_key(made_now.id, "owner")).await.unwrap();
        made.push(made_now);
    }
    let (mut listed, mut pages, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = test.store.page(after, 2).await.unwrap();
        pages.push(page.items.len());
        listed.extend(page.items.into_iter().map(|tenant| (*tenant).clone()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((listed, pages), (made, vec![2, 2, 1]));
}

#[tokio::test]
async fn a_tenant_whose_name_is_taken_is_not_listed() {
    let test = TestStore::open().await;
    for _ in 0..2 {
        let made = Tenant { id: tenant(), name: "acme".parse().unwrap(), created_at: Utc::now(), closed_at: None };
        let _ = test.store.create(&made, &api_key(made.id, "owner")).await;
    }
    assert_eq!(test.store.page(None, 10).await.unwrap().items.len(), 1);
}
