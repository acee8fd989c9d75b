//! The revisions of queries, which come and go with their query.

use std::{collections::BTreeSet, sync::Arc};

use tidegate_core::{
    ErrorCode,
    ports::{Entity, Filter, Repository, Revisions},
    query::{KEPT_REVISIONS, Query, Revision},
    source::Source,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{TestStore, query, revision, server, source, tenant};

/// A store with a source in it.
async fn store_with_source() -> (TestStore, Source) {
    let test = TestStore::open().await;
    let source = source(tenant(), "flights");
    test.store.create(&source).await.unwrap();
    (test, source)
}

async fn numbers(store: &dyn Revisions, query: &Query) -> BTreeSet<u64> {
    let newest = store.newest(query.tenant, query.id, None, 1_000).await.unwrap();
    newest.iter().map(|revision| revision.number).collect()
}

#[tokio::test]
async fn every_save_and_publication_is_stored_with_its_query() {
    let (test, source) = store_with_source().await;
    let revisions: &dyn Revisions = &test.store;
    let created = query(source.tenant, "late", &source);
    test.store.create(&created).await.unwrap();
    let first = created.shown();
    assert_eq!(revisions.by_number(created.tenant, created.id, 1).await.unwrap().unwrap(), **first);

    let draft = revision(2, "late", &source);
    let drafted = created.with_draft(draft.clone());
    test.store.replace(&drafted).await.unwrap();
    let published = drafted.with_published(draft.clone(), draft.saved_at);
    test.store.replace(&published).await.unwrap();
    assert_eq!(*Repository::<Query>::get(&test.store, source.tenant, created.id()).await.unwrap().unwrap(), published);
    let second = revisions.by_number(created.tenant, created.id, 2).await.unwrap().unwrap();
    assert_eq!(second, Revision { published_at: Some(draft.saved_at), ..draft });

    let third = revision(3, "late", &source);
    test.store.replace(&published.with_draft(third.clone())).await.unwrap();
    assert_eq!(revisions.newest(created.tenant, created.id, None, 2).await.unwrap(), [third, second.clone()]);
    assert_eq!(
        revisions.newest(created.tenant, created.id, Some(3), 2).await.unwrap(),
        [second, Revision::clone(first)]
    );
    for before in [0, 1] {
        assert_eq!(revisions.newest(created.tenant, created.id, Some(before), 2).await.unwrap(), []);
    }
    assert_eq!(revisions.by_number(created.tenant, created.id, 4).await.unwrap(), None);
    assert_eq!(revisions.by_number(tenant(), created.id, 1).await.unwrap(), None, "another tenant");
    assert_eq!(revisions.newest(tenant(), created.id, None, 2).await.unwrap(), []);
    let listed = Repository::<Query>::list(&test.store, source.tenant, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 1, "a revision is not an entity");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_the_one_that_loses_leaves_no_revision() {
    let (test, source) = store_with_source().await;
    let created = query(source.tenant, "late", &source);
    test.store.create(&created).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..10 {
        let store = test.store.clone();
        let mut save = revision(2, "late", &source);
        save.spec.description = format!("writer {writer}");
        let next = created.with_draft(save.clone());
        writers.spawn(async move { (save, store.replace(&next).await) });
    }
    let (won, lost): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().partition(|(_, result)| result.is_ok());
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|(_, result)| result.unwrap_err().code() == ErrorCode::VersionConflict));
    let stored = test.store.newest(created.tenant, created.id, None, 10).await.unwrap();
    assert_eq!(stored, [won[0].0.clone(), Revision::clone(created.shown())]);
}

#[tokio::test]
async fn what_is_refused_leaves_no_revision() {
    let (test, source) = store_with_source().await;
    let created = query(source.tenant, "late", &source);
    test.store.create(&created).await.unwrap();
    let taken = query(source.tenant, "late", &source);
    assert_eq!(test.store.create(&taken).await.unwrap_err().code(), ErrorCode::AlreadyExists);
    assert_eq!(numbers(&test.store, &taken).await, BTreeSet::new());

    let mut lost = revision(2, "late", &source);
    lost.source_id = tidegate_core::id::SourceId::from_uuid(Uuid::now_v7());
    let error = test.store.replace(&created.with_draft(lost)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert_eq!(numbers(&test.store, &created).await, BTreeSet::from([1]));
}

#[tokio::test]
async fn the_source_of_a_draft_is_in_use_until_the_draft_is_gone() {
    let (test, first) = store_with_source().await;
    let second = source(first.tenant, "planes");
    test.store.create(&second).await.unwrap();
    let created = query(first.tenant, "late", &first);
    test.store.create(&created).await.unwrap();
    let drafted = created.with_draft(revision(2, "late", &second));
    test.store.replace(&drafted).await.unwrap();
    for source in [&first, &second] {
        assert_eq!(test.store.delete(source).await.unwrap_err().code(), ErrorCode::InUse);
    }
    let discarded = drafted.without_draft(drafted.updated_at).unwrap();
    test.store.replace(&discarded).await.unwrap();
    test.store.delete(&second).await.unwrap();
    assert_eq!(test.store.delete(&first).await.unwrap_err().code(), ErrorCode::InUse);
    assert_eq!(numbers(&test.store, &created).await, BTreeSet::from([1, 2]), "a discarded draft can still be read");
}

#[tokio::test]
async fn the_history_is_bounded_and_goes_with_the_query() {
    let (test, source) = store_with_source().await;
    let created = query(source.tenant, "late", &source);
    let other = query(source.tenant, "other", &source);
    test.store.create(&created).await.unwrap();
    test.store.create(&other).await.unwrap();
    let mut current = created.clone();
    for number in 2..=KEPT_REVISIONS + 5 {
        current = current.with_draft(revision(number, "late", &source));
        test.store.replace(&current).await.unwrap();
    }
    assert_eq!(numbers(&test.store, &current).await, current.kept_revisions());
    assert!(current.kept_revisions().contains(&1), "the published one is kept");

    let newest = revision(KEPT_REVISIONS + 6, "late", &source);
    current = current.with_published(newest, current.updated_at);
    test.store.replace(&current).await.unwrap();
    assert_eq!(numbers(&test.store, &current).await, (7..=KEPT_REVISIONS + 6).collect());

    let desk = server(source.tenant, "desk", [current.id]);
    test.store.create(&desk).await.unwrap();
    assert_eq!(test.store.delete(&current).await.unwrap_err().code(), ErrorCode::InUse);
    assert_eq!(numbers(&test.store, &current).await.len() as u64, KEPT_REVISIONS);
    test.store.delete(&desk).await.unwrap();
    test.store.delete(&current).await.unwrap();
    assert_eq!(numbers(&test.store, &current).await, BTreeSet::new());
    assert_eq!(numbers(&test.store, &other).await, BTreeSet::from([1]), "another query keeps its own");
    let gone: Option<Arc<Query>> = test.store.get(current.tenant, current.id()).await.unwrap();
    assert!(gone.is_none());
}

#[tokio::test]
async fn large_revisions_are_read_past_a_page_of_the_database() {
    let (test, source) = store_with_source().await;
    let mut current = query(source.tenant, "late", &source);
    test.store.create(&current).await.unwrap();
    for number in 2..=9 {
        let mut large = revision(number, "late", &source);
        large.spec.statement = "x".repeat(180_000);
        current = current.with_published(large, current.updated_at);
        test.store.replace(&current).await.unwrap();
    }
    assert_eq!(numbers(&test.store, &current).await, (1..=9).collect());
    assert_eq!(test.store.newest(current.tenant, current.id, None, 8).await.unwrap().len(), 8);
}
