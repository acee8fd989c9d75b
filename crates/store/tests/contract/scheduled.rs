//! What the tasks of `sync` leave: the health of sources, snapshots of their catalogs, and where they go on.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tidegate_core::{
    Error, ErrorCode,
    catalog::{Schema, Table, TableColumn, TableDetail, TableKind},
    health::{HealthStatus, SourceHealth},
    id::SourceId,
    ports::{CatalogSnapshots, Place, Progress, SourceHealths},
    snapshot::{CatalogContent, SchemaContent},
};
use tidegate_store::DynamoStore;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{TestStore, tenant};

fn source() -> SourceId {
    SourceId::from_uuid(Uuid::now_v7())
}

fn minute(minute: i64) -> DateTime<Utc> {
    // Not long ago, for the embedded store removes what has expired.
    let today = Utc::now().timestamp() / 86_400;
    DateTime::from_timestamp(today * 86_400, 0).unwrap() + TimeDelta::minutes(minute)
}

/// A table whose column has a comment of this length, which does not compress.
pub(crate) fn content(tables: usize, comment: usize) -> CatalogContent {
    let table = |number: usize| TableDetail {
        schema: "public".to_owned(),
        table: Table { name: format!("table_{number:05}"), kind: TableKind::Table, comment: None, row_estimate: None },
        columns: vec![TableColumn {
            name: "id".to_owned(),
            database_type: "bigint".to_owned(),
            nullable: false,
            default: None,
            comment: Some((0..comment / 32).map(|_| Uuid::new_v4().simple().to_string()).collect()),
        }],
        primary_key: vec!["id".to_owned()],
        foreign_keys: Vec::new(),
    };
    let schema = Schema { name: "public".to_owned(), comment: None };
    let tables = (0..tables).map(table).collect();
    CatalogContent { is_complete: true, schemas: vec![SchemaContent { schema, tables }] }
}

#[tokio::test]
async fn the_last_check_of_each_source_is_found_in_its_tenant() {
    let test = TestStore::open().await;
    let store: &dyn SourceHealths = &test.store;
    let (ours, theirs) = (tenant(), tenant());
    let sources: Vec<_> = (0..4).map(|_| source()).collect();
    let up = SourceHealth::found(Ok(()), minute(1), Duration::from_millis(3), None).unwrap();
    let refused = Err(Error::new(ErrorCode::SourceUnavailable, "no way to db:5432"));
    let down = SourceHealth::found(refused, minute(2), Duration::ZERO, Some(&up)).unwrap();
    for source in &sources {
        store.record(ours, *source, &up).await.unwrap();
    }
    store.record(ours, sources[1], &down).await.unwrap();
    store.record(theirs, sources[2], &down).await.unwrap();

    let found = store.of_sources(ours, sources[1]..=sources[2]).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(sources[1], down), (sources[2], up)]);
    assert!(store.of_sources(theirs, sources[3]..=sources[3]).await.unwrap().is_empty());
    let all = store.of_sources(ours, sources[0]..=sources[3]).await.unwrap();
    assert_eq!(all.values().filter(|health| health.status == HealthStatus::Ok).count(), 3);
}

#[tokio::test]
async fn a_snapshot_is_kept_until_another_takes_its_place() {
    let test = TestStore::open().await;
    let store: &dyn CatalogSnapshots = &test.store;
    let (ours, source, other) = (tenant(), source(), source());
    assert!(store.last(ours, source).await.unwrap().is_none());

    // Larger than an item, smaller, and none at all: every part of the one before is gone.
    for (round, content) in [content(40, 32_000), content(3, 64), content(60, 32_000), content(0, 0)].iter().enumerate()
    {
        let at = minute(i64::try_from(round).unwrap());
        assert!(store.keep(ours, source, content, at).await.unwrap());
        let last = store.last(ours, source).await.unwrap().unwrap();
        assert!(last.content == *content, "round {round}");
        assert_eq!((last.taken_at, last.changed_at), (at, at));
    }
    assert!(store.keep(ours, other, &content(1, 0), minute(9)).await.unwrap());
    let mut sources = store.sources(ours).await.unwrap();
    sources.sort();
    assert_eq!(sources, [source, other]);
    assert!(store.sources(tenant()).await.unwrap().is_empty() && store.last(tenant(), source).await.unwrap().is_none());

    store.forget(ours, source).await.unwrap();
    store.forget(ours, source).await.unwrap();
    assert_eq!(store.sources(ours).await.unwrap(), [other]);
    assert!(store.last(ours, source).await.unwrap().is_none());
    assert!(store.last(ours, other).await.unwrap().is_some());
}

#[tokio::test]
async fn content_that_is_the_same_is_not_written_again() {
    let test = TestStore::open().await;
    let store: &dyn CatalogSnapshots = &test.store;
    let (ours, source, content) = (tenant(), source(), content(3, 64));
    assert!(store.keep(ours, source, &content, minute(1)).await.unwrap());
    assert!(!store.keep(ours, source, &content, minute(2)).await.unwrap());
    let last = store.last(ours, source).await.unwrap().unwrap();
    assert_eq!((last.taken_at, last.changed_at), (minute(2), minute(1)));
    assert!(last.content == content);
}

#[tokio::test]
async fn a_catalog_that_is_too_large_is_refused_and_the_last_one_stays() {
    let test = TestStore::open().await;
    let store: &dyn CatalogSnapshots = &test.store;
    let (ours, source, small) = (tenant(), source(), content(1, 0));
    store.keep(ours, source, &small, minute(1)).await.unwrap();
    let error = store.keep(ours, source, &content(250, 32_000), minute(2)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    assert!(store.last(ours, source).await.unwrap().unwrap().content == small);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_snapshots_at_once_one_is_kept_whole() {
    let test = TestStore::open().await;
    let (ours, source) = (tenant(), source());
    for round in 0..3 {
        let mut writers = JoinSet::new();
        for tables in [20, 30, 40] {
            let (store, content): (DynamoStore, _) = (test.store.clone(), content(tables, 32_000));
            writers.spawn(async move {
                let kept = store.keep(ours, source, &content, minute(round)).await;
                (content, kept)
            });
        }
        let mut won = Vec::new();
        while let Some(ended) = writers.join_next().await {
            match ended.unwrap() {
                (content, Ok(written)) => {
                    assert!(written);
                    won.push(content);
                }
                (_, Err(error)) => assert_eq!(error.code(), ErrorCode::VersionConflict),
            }
        }
        let last = test.store.last(ours, source).await.unwrap().unwrap();
        assert!(won.contains(&last.content), "round {round}");
    }
}

#[tokio::test]
async fn a_task_goes_on_where_it_noted() {
    let test = TestStore::open().await;
    let store: &dyn Progress = &test.store;
    let task = Uuid::now_v7().to_string();
    assert_eq!(store.place(&task).await.unwrap(), None);
    store.note(&task, None).await.unwrap();
    for source in [Some(source()), None] {
        let place = Some(Place { tenant: tenant(), source });
        store.note(&task, place).await.unwrap();
        assert_eq!(store.place(&task).await.unwrap(), place);
    }
    assert_eq!(store.place("another").await.unwrap(), None);
    store.note(&task, None).await.unwrap();
    assert_eq!(store.place(&task).await.unwrap(), None);
}
