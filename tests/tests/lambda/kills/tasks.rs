//! Tasks of `sync`.

use chrono::{TimeDelta, Utc};
use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Event};
use tidegate_core::{
    api_key::ApiKey,
    id::{ApiKeyId, SourceId, TenantId},
    ports::{self, CatalogSnapshots, Progress, Repository, SourceHealths, Tenants},
    snapshot::CatalogContent,
    source::{SecretRef, Source},
};
use tidegate_store::DynamoStore;
use uuid::{NoContext, Timestamp, Uuid};

use super::{
    PASSWORD, TIME, at_each_write, call, kill_at, source,
    whole::{self, expect_whole, name_of},
};
use crate::{REGISTRY, SYNC};

/// A task, run to its end in an environment of its own.
async fn run(cloud: &Cloud, task: &Event) -> Json {
    let mut outcome = cloud.function(SYNC).await.invoke(task, TIME).await.expect("the process ended");
    let body = outcome.rest().await;
    assert!(!outcome.is_failure, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// What a tenant has that nothing needs: a key, a secret, and a snapshot of a source that is gone.
async fn leave_things(cloud: &Cloud, store: &DynamoStore, tenant: TenantId) {
    let keys: &dyn Repository<ApiKey> = store;
    let owner = ports::all(keys, tenant).await.unwrap().swap_remove(0);
    let id = ApiKeyId::from_uuid(Uuid::now_v7());
    let name = format!("revoked-{}", id.as_uuid().simple()).parse().unwrap();
    let revoked_at = Some(Utc::now() - TimeDelta::days(200));
    keys.create(&ApiKey { id, name, revoked_at, ..ApiKey::clone(&owner) }).await.unwrap();
    let source = SourceId::from_uuid(Uuid::now_v7());
    let days_ago = (Utc::now() - TimeDelta::days(2)).timestamp().unsigned_abs();
    let secret = SecretRef::new(tenant, source, Uuid::new_v7(Timestamp::from_unix(NoContext, days_ago, 0)));
    cloud.emulator.put_secret(&name_of(&secret), PASSWORD).unwrap();
    let content = CatalogContent { is_complete: true, schemas: Vec::new() };
    store.keep(tenant, source, &content, Utc::now()).await.unwrap();
}

/// The tenants of a deployment.
async fn tenants(store: &DynamoStore) -> Vec<TenantId> {
    let tenants: &dyn Tenants = store;
    tenants.page(None, ports::MAX_PAGE).await.unwrap().items.iter().map(|tenant| tenant.id).collect()
}

#[tokio::test]
async fn a_purge_that_is_killed_is_gone_on_with_and_takes_nothing_that_is_needed() {
    let cloud = Cloud::with_tenants(&["other"]).await;
    let local = whole::open(&cloud).await;
    let store = &local.store;
    let locked = call(&cloud, "POST", "/v1/sources", &source("locked", PASSWORD));
    cloud.function(REGISTRY).await.call(&locked).await.expect(201);
    let purge = Event::from(json!({"task": "purge"}));
    let writes = at_each_write(async |place| {
        for tenant in tenants(store).await {
            leave_things(&cloud, store, tenant).await;
        }
        let is_killed = kill_at(&cloud, cloud.function(SYNC).await, &purge, place).await;
        expect_whole(store, &cloud, &format!("{place:?}")).await;
        assert_eq!(run(&cloud, &purge).await["finished"], true, "{place:?}");
        assert!(expect_whole(store, &cloud, &format!("{place:?}")).await.is_empty(), "{place:?}");
        for tenant in tenants(store).await {
            assert!(CatalogSnapshots::sources(store, tenant).await.unwrap().is_empty(), "{place:?}");
            let keys = ports::all::<ApiKey>(store, tenant).await.unwrap();
            assert!(keys.iter().all(|key| key.revoked_at.is_none()), "{place:?}");
        }
        assert_eq!(store.place("purge").await.unwrap(), None, "{place:?}");
        is_killed
    });
    // A key, a secret, a snapshot and the place for each tenant, and the end.
    assert_eq!(writes.await, 9);
}

#[tokio::test]
async fn a_look_at_the_sources_that_is_killed_leaves_what_was_found_whole() {
    let cloud = Cloud::start().await;
    let local = whole::open(&cloud).await;
    let store = &local.store;
    let tenant = tenants(store).await[0];
    let flights = ports::all::<Source>(store, tenant).await.unwrap()[0].id;
    for task in ["source_health", "catalog_snapshots"] {
        let event = Event::from(json!({"task": task}));
        let writes = at_each_write(async |place| {
            let began = Utc::now();
            let is_killed = kill_at(&cloud, cloud.function(SYNC).await, &event, place).await;
            // Nothing yet, or all of it.
            store.last(tenant, flights).await.unwrap();
            store.of_sources(tenant, flights..=flights).await.unwrap();
            assert_eq!(run(&cloud, &event).await["finished"], true, "{task} {place:?}");
            assert_eq!(store.place(task).await.unwrap(), None, "{task} {place:?}");
            let found_at = match task {
                "source_health" => store.of_sources(tenant, flights..=flights).await.unwrap()[&flights].checked_at,
                _ => store.last(tenant, flights).await.unwrap().unwrap().taken_at,
            };
            assert!(found_at >= began, "{task} {place:?}");
            is_killed
        });
        // What was found, the place, and the end.
        assert_eq!(writes.await, 3, "{task}");
    }
}
