//! The end of tenants, on the same stores as the contract of repositories.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tidegate_core::{
    ErrorCode, Name,
    api_key::ApiKey,
    health::SourceHealth,
    idempotency::IdempotentRequest,
    ports::{self, CatalogSnapshots, Repository, Revisions, SourceHealths, Tenants},
    query::Query,
    server::Server,
    source::Source,
    tenant::Tenant,
};
use tidegate_store::{BatchExecutions, DynamoStore};
use uuid::Uuid;

use crate::{
    fixtures::{TestStore, api_key, execution, newest, query, server, source, tenant},
    scheduled::content,
};

/// A tenant with something of every kind, and more than is read or deleted at once of two.
struct Inhabited {
    tenant: Tenant,
    source: Source,
    query: Query,
    request: IdempotentRequest,
}

const MANY: usize = 130;

impl Inhabited {
    async fn new(store: &DynamoStore, name: &Name) -> Self {
        let now = Utc::now();
        let made = Tenant { id: tenant(), name: name.clone(), created_at: now, closed_at: None };
        Tenants::create(store, &made, &api_key(made.id, "owner")).await.unwrap();
        let (flights, trains) = (source(made.id, "flights"), source(made.id, "trains"));
        let request = IdempotentRequest { key: "key".to_owned(), fingerprint: "all of it".to_owned(), at: now };
        Repository::create(store, &flights).await.unwrap();
        assert!(store.create_once(&trains, &request).await.unwrap().is_none());
        let late = query(made.id, "late", &flights);
        Repository::create(store, &late).await.unwrap();
        Repository::create(store, &server(made.id, "desk", [late.id])).await.unwrap();
        for number in 0..MANY {
            Repository::create(store, &api_key(made.id, &format!("app-{number}"))).await.unwrap();
            store.record_all(&[execution(made.id)]).await.unwrap();
        }
        let health = SourceHealth::found(Ok(()), now, Duration::from_millis(3), None).unwrap();
        store.record(made.id, flights.id, &health).await.unwrap();
        store.keep(made.id, flights.id, &content(40, 32_000), now).await.unwrap();
        Self { tenant: made, source: flights, query: late, request }
    }

    /// How much there is of everything.
    async fn counts(&self, store: &DynamoStore) -> [usize; 9] {
        let Tenant { id, .. } = self.tenant;
        async fn count<T: ports::Entity>(store: &DynamoStore, tenant: &Tenant) -> usize {
            let listed = ports::all::<T>(store, tenant.id).await.unwrap().len();
            assert_eq!(Repository::<T>::count(store, tenant.id, 1000).await.unwrap() as usize, listed);
            listed
        }
        let stored_by = Repository::<Source>::stored_by(store, id, &self.request).await.unwrap();
        [
            count::<Source>(store, &self.tenant).await,
            count::<Query>(store, &self.tenant).await,
            count::<Server>(store, &self.tenant).await,
            count::<ApiKey>(store, &self.tenant).await,
            store.newest(id, self.query.id, None, 10).await.unwrap().len(),
            usize::from(stored_by.is_some()),
            store.of_sources(id, self.source.id..=self.source.id).await.unwrap().len(),
            store.sources(id).await.unwrap().len(),
            newest(store, id).await.len(),
        ]
    }
}

const EVERYTHING: [usize; 9] = [2, 1, 1, MANY + 1, 1, 1, 1, 1, 100];

fn name() -> Name {
    format!("acme-{}", Uuid::now_v7().simple()).parse().unwrap()
}

#[tokio::test]
async fn a_tenant_is_removed_with_all_that_it_has_and_nothing_of_others() {
    let test = TestStore::open().await;
    let (store, tenants): (_, &dyn Tenants) = (&test.store, &test.store);
    let (name, other_name) = (name(), name());
    let other = Inhabited::new(store, &other_name).await;
    let acme = Inhabited::new(store, &name).await;
    assert_eq!(acme.counts(store).await, EVERYTHING);
    tenants.close(&acme.tenant, Utc::now()).await.unwrap();
    let removed = tenants.remove(&acme.tenant).await.unwrap();
    assert!(removed > MANY as u64, "{removed}");
    assert_eq!(acme.counts(store).await, [0; 9]);
    assert_eq!(tenants.find(&name).await.unwrap(), None);
    assert_eq!(other.counts(store).await, EVERYTHING);
    assert_eq!(tenants.find(&other_name).await.unwrap().as_ref(), Some(&other.tenant));
    let listed = tenants.page(None, 100).await.unwrap().items;
    assert_eq!(listed.iter().filter(|it| [&name, &other_name].contains(&&it.name)).count(), 1);

    // Its name is free, and who comes to be under it is not taken for it.
    let next = Inhabited::new(store, &name).await;
    assert_eq!(tenants.close(&acme.tenant, Utc::now()).await.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(tenants.remove(&acme.tenant).await.unwrap(), 0);
    assert_eq!(next.counts(store).await, EVERYTHING);
    assert_eq!(tenants.find(&name).await.unwrap(), Some(next.tenant));
}

#[tokio::test]
async fn a_closed_tenant_has_no_keys_and_is_found_until_it_is_removed() {
    let test = TestStore::open().await;
    let (store, tenants): (_, &dyn Tenants) = (&test.store, &test.store);
    let acme = Inhabited::new(store, &name()).await;
    assert_eq!(tenants.remove(&acme.tenant).await.unwrap_err().code(), ErrorCode::InUse);
    assert_eq!(acme.counts(store).await, EVERYTHING);

    let at = acme.tenant.created_at;
    for _ in 0..2 {
        tenants.close(&acme.tenant, at).await.unwrap();
        let closed = Tenant { closed_at: Some(at), ..acme.tenant.clone() };
        assert_eq!(tenants.find(&acme.tenant.name).await.unwrap().as_ref(), Some(&closed));
        let listed = tenants.page(None, 100).await.unwrap().items;
        assert!(listed.iter().any(|listed| **listed == closed));
        assert!(ports::all::<ApiKey>(store, closed.id).await.unwrap().is_empty());
        assert_eq!(ports::all::<Source>(store, closed.id).await.unwrap().len(), 2);
        // Its name stays taken.
        let again = Tenant { id: tenant(), ..acme.tenant.clone() };
        let taken = tenants.create(&again, &api_key(again.id, "owner")).await.unwrap_err();
        assert_eq!(taken.code(), ErrorCode::AlreadyExists);
    }
    // A key that was made meanwhile goes too.
    let late: Arc<ApiKey> = api_key(acme.tenant.id, "late").into();
    Repository::create(store, &*late).await.unwrap();
    tenants.remove(&acme.tenant).await.unwrap();
    assert_eq!(Repository::<ApiKey>::get(store, late.tenant, late.id.as_uuid()).await.unwrap(), None);
    assert_eq!(tenants.remove(&acme.tenant).await.unwrap(), 0);
}
