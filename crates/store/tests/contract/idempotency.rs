//! Requests that come again, on the same stores as the contract of repositories.

use chrono::{TimeDelta, Utc};
use tidegate_core::{
    ErrorCode,
    idempotency::{IdempotentRequest, RECOGNISED_FOR},
    ports::{Entity, Filter, Repository},
    query::Query,
    server::Server,
    source::Source,
};
use tidegate_store::MAX_REFERENCES;
use tokio::task::JoinSet;

use crate::fixtures::{TestStore, query, server, source, tenant};

fn request(key: &str, fingerprint: &str) -> IdempotentRequest {
    IdempotentRequest { key: key.to_owned(), fingerprint: fingerprint.to_owned(), at: Utc::now() }
}

#[tokio::test]
async fn a_request_stores_one_entity_however_often_it_comes() {
    let test = TestStore::open().await;
    let sources: &dyn Repository<Source> = &test.store;
    let (tenant, request) = (tenant(), request("k", "f"));
    assert_eq!(sources.stored_by(tenant, &request).await.unwrap(), None);
    let first = source(tenant, "flights");
    assert_eq!(sources.create_once(&first, &request).await.unwrap(), None);
    for name in ["flights", "trains"] {
        let again = source(tenant, name);
        assert_eq!(sources.create_once(&again, &request).await.unwrap(), Some(first.id()));
        assert!(sources.get(tenant, again.id()).await.unwrap().is_none());
    }
    assert_eq!(sources.stored_by(tenant, &request).await.unwrap(), Some(first.id()));
    assert_eq!(*sources.get(tenant, first.id()).await.unwrap().unwrap(), first);
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let test = TestStore::open().await;
    let sources: &dyn Repository<Source> = &test.store;
    let tenant = tenant();
    sources.create_once(&source(tenant, "flights"), &request("k", "f")).await.unwrap();
    let other = request("k", "another");
    let error = sources.create_once(&source(tenant, "trains"), &other).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::IdempotencyKeyReused);
    assert_eq!(sources.stored_by(tenant, &other).await.unwrap_err().code(), ErrorCode::IdempotencyKeyReused);
    assert!(sources.find(tenant, &"trains".parse().unwrap()).await.unwrap().is_none());
    let elsewhere = crate::fixtures::tenant();
    assert_eq!(sources.create_once(&source(elsewhere, "flights"), &other).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_refused_leaves_no_note() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let request = request("k", "f");
    let missing = source(tenant, "flights");
    let query = query(tenant, "late", &missing);
    let error = test.store.create_once(&query, &request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.message().contains(&missing.id.to_string()), "{error}");
    test.store.create(&missing).await.unwrap();
    assert_eq!(test.store.create_once(&query, &request).await.unwrap(), None);
    let error = test.store.create_once(&source(tenant, "flights"), &self::request("k2", "f")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AlreadyExists);
}

#[tokio::test]
async fn a_request_is_forgotten_after_a_day() {
    let test = TestStore::open().await;
    let sources: &dyn Repository<Source> = &test.store;
    let tenant = tenant();
    let first = request("k", "f");
    let made = source(tenant, "flights");
    sources.create_once(&made, &first).await.unwrap();
    let day = TimeDelta::from_std(RECOGNISED_FOR).unwrap();
    let within = IdempotentRequest { at: first.at + day - TimeDelta::seconds(1), ..first.clone() };
    assert_eq!(sources.stored_by(tenant, &within).await.unwrap(), Some(made.id()));
    assert_eq!(sources.create_once(&source(tenant, "trains"), &within).await.unwrap(), Some(made.id()));
    let later = IdempotentRequest { at: first.at + day, fingerprint: "another".to_owned(), ..first };
    assert_eq!(sources.stored_by(tenant, &later).await.unwrap(), None);
    let trains = source(tenant, "trains");
    assert_eq!(sources.create_once(&trains, &later).await.unwrap(), None);
    assert_eq!(sources.stored_by(tenant, &later).await.unwrap(), Some(trains.id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_that_comes_twenty_times_at_once_one_stores() {
    let test = TestStore::open().await;
    let (tenant, request) = (tenant(), request("k", "f"));
    let mut creates = JoinSet::new();
    for _ in 0..20 {
        let (store, request) = (test.store.clone(), request.clone());
        creates.spawn(async move {
            let source = source(tenant, "flights");
            store.create_once(&source, &request).await.unwrap().unwrap_or(source.id())
        });
    }
    let mut ids = creates.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let listed = Repository::<Source>::list(&test.store, tenant, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 1);
}

#[tokio::test]
async fn an_entity_with_the_most_references_can_be_made_once() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let source = source(tenant, "flights");
    test.store.create(&source).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..MAX_REFERENCES {
        let query = query(tenant, &format!("q{number}"), &source);
        test.store.create(&query).await.unwrap();
        ids.push(query.id);
    }
    let most = server(tenant, "many", ids);
    assert_eq!(test.store.create_once(&most, &request("k", "f")).await.unwrap(), None);
    let again: Option<uuid::Uuid> = test.store.create_once(&most, &request("k", "f")).await.unwrap();
    assert_eq!(again, Some(most.id()));
    assert!(Repository::<Server>::get(&test.store, tenant, most.id()).await.unwrap().is_some());
    assert_eq!(Repository::<Query>::users(&test.store, tenant, most.query_ids[0].as_uuid()).await.unwrap().len(), 1);
}
