//! What every store must do. It runs on the embedded database, or, when `TIDEGATE_TEST_DYNAMODB_URL` is set, on the
//! DynamoDB server at that address, with the region and credentials of the environment.

use std::{collections::HashSet, sync::Arc};

use tidegate_core::{
    ErrorCode, Result,
    id::{QueryId, TenantId},
    ports::{Entity, EntityKind, Filter, Health, Reference, Repository},
    query::{Mode, Query},
    server::Server,
    source::Source,
};
use tidegate_store::MAX_REFERENCES;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{self, TestStore, names, published, query, revision, server, source, tenant};

fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
    result.unwrap_err().code()
}

async fn all<T: Entity>(
    repository: &dyn Repository<T>,
    tenant: TenantId,
    filter: &Filter,
    limit: usize,
) -> Vec<Arc<T>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = repository.list(tenant, filter, after, limit).await.unwrap();
        assert!(page.items.len() <= limit);
        assert!(page.next.is_none() || page.items.len() == limit, "only the last page may be short");
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn what_is_created_is_found_by_id_and_by_name() {
    let test = TestStore::open().await;
    let sources: &dyn Repository<Source> = &test.store;
    let tenant = tenant();
    let source = source(tenant, "flights");
    sources.create(&source).await.unwrap();
    assert_eq!(*sources.get(tenant, source.id()).await.unwrap().unwrap(), source);
    assert_eq!(*sources.find(tenant, &source.name).await.unwrap().unwrap(), source);
    assert!(sources.get(tenant, Uuid::now_v7()).await.unwrap().is_none());
    assert!(sources.find(tenant, &"other".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn every_kind_of_entity_keeps_its_own_names() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let source = source(tenant, "flights");
    let query = query(tenant, "flights", &source);
    let server = server(tenant, "flights", [query.id]);
    let key = fixtures::api_key(tenant, "flights");
    test.store.create(&source).await.unwrap();
    test.store.create(&query).await.unwrap();
    test.store.create(&server).await.unwrap();
    test.store.create(&key).await.unwrap();
    let name = "flights".parse().unwrap();
    assert_eq!(*Repository::<Query>::find(&test.store, tenant, &name).await.unwrap().unwrap(), query);
    assert_eq!(*Repository::<Server>::find(&test.store, tenant, &name).await.unwrap().unwrap(), server);
    let keys: &dyn Repository<tidegate_core::api_key::ApiKey> = &test.store;
    assert_eq!(*keys.find(tenant, &name).await.unwrap().unwrap(), key);
    assert!(keys.get(tenant, query.id()).await.unwrap().is_none(), "an id of another kind");
    assert_eq!(all::<Query>(&test.store, tenant, &Filter::default(), 10).await.len(), 1);
}

#[tokio::test]
async fn names_at_the_edge_of_the_rule_are_told_apart() {
    let test = TestStore::open().await;
    let sources: &dyn Repository<Source> = &test.store;
    let tenant = tenant();
    let unusual = ["a", "a-", "a_", "a--b", "a-b", "a_b", "source", "name", "t", &"z".repeat(64), &"z".repeat(63)];
    for name in unusual {
        sources.create(&source(tenant, name)).await.unwrap();
    }
    for name in unusual {
        assert_eq!(sources.find(tenant, &name.parse().unwrap()).await.unwrap().unwrap().name.as_str(), name);
    }
    assert_eq!(names(&all(sources, tenant, &Filter::default(), 4).await), unusual);
}

#[tokio::test]
async fn a_name_is_taken_until_its_entity_is_deleted() {
    let test = TestStore::open().await;
    let sources: &dyn Repository<Source> = &test.store;
    let tenant = tenant();
    let first = source(tenant, "flights");
    let second = source(tenant, "flights");
    sources.create(&first).await.unwrap();
    let error = sources.create(&second).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AlreadyExists);
    assert!(error.message().contains("source `flights`"), "{error}");
    assert!(sources.get(tenant, second.id()).await.unwrap().is_none());
    sources.delete(&first).await.unwrap();
    assert!(sources.get(tenant, first.id()).await.unwrap().is_none());
    assert!(sources.find(tenant, &first.name).await.unwrap().is_none());
    sources.create(&second).await.unwrap();
    assert_eq!(sources.find(tenant, &first.name).await.unwrap().unwrap().id, second.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_creates_of_one_name_exactly_one_wins() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let mut creates = JoinSet::new();
    for _ in 0..20 {
        let store = test.store.clone();
        creates.spawn(async move {
            let source = source(tenant, "flights");
            (source.id, store.create(&source).await)
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) = creates.join_all().await.into_iter().partition(|(_, result)| result.is_ok());
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|(_, result)| code(result) == ErrorCode::AlreadyExists));
    let sources: &dyn Repository<Source> = &test.store;
    assert_eq!(all(sources, tenant, &Filter::default(), 100).await.len(), 1);
    assert_eq!(sources.find(tenant, &"flights".parse().unwrap()).await.unwrap().unwrap().id, won[0].0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_replacements_of_one_version_exactly_one_wins() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let first = source(tenant, "flights");
    test.store.create(&first).await.unwrap();
    let mut replacements = JoinSet::new();
    for writer in 0..20 {
        let store = test.store.clone();
        let next = Source { version: 2, description: format!("writer {writer}"), ..first.clone() };
        replacements.spawn(async move { (next.description.clone(), store.replace(&next).await) });
    }
    let (won, lost): (Vec<_>, Vec<_>) =
        replacements.join_all().await.into_iter().partition(|(_, result)| result.is_ok());
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|(_, result)| code(result) == ErrorCode::VersionConflict));
    let stored: Arc<Source> = test.store.get(tenant, first.id()).await.unwrap().unwrap();
    assert_eq!((stored.version, &stored.description), (2, &won[0].0));
}

#[tokio::test]
async fn only_the_next_version_replaces() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let first = source(tenant, "flights");
    test.store.create(&first).await.unwrap();
    for version in [0, 1, 3] {
        let error = test.store.replace(&Source { version, ..first.clone() }).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::VersionConflict, "{version}");
        assert!(error.message().contains("version 1"), "{error}");
    }
    test.store.replace(&Source { version: 2, ..first.clone() }).await.unwrap();
    assert_eq!(code(test.store.delete(&first).await), ErrorCode::VersionConflict);
    test.store.delete(&Source { version: 2, ..first.clone() }).await.unwrap();
    assert_eq!(code(test.store.replace(&Source { version: 3, ..first.clone() }).await), ErrorCode::NotFound);
    assert_eq!(code(test.store.delete(&Source { version: 2, ..first }).await), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_name_never_changes() {
    let test = TestStore::open().await;
    let first = source(tenant(), "flights");
    test.store.create(&first).await.unwrap();
    let renamed = Source { version: 2, name: "planes".parse().unwrap(), ..first };
    assert_eq!(code(test.store.replace(&renamed).await), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn lists_go_through_every_entity_once_in_the_order_of_making() {
    let test = TestStore::open().await;
    let queries: &dyn Repository<Query> = &test.store;
    let tenant = tenant();
    let source = source(tenant, "flights");
    test.store.create(&source).await.unwrap();
    let mut made = Vec::new();
    for number in 0..250 {
        let mut revision = revision(1, &format!("query-{number}"), &source);
        revision.spec.tags = match number % 5 {
            0 => vec!["daily".to_owned(), "eu".to_owned()],
            1 => vec!["eu".to_owned(), "eu".to_owned(), String::new()],
            _ => Vec::new(),
        };
        revision.spec.mode = if number % 2 == 0 { Mode::Read } else { Mode::Write };
        let query = published(tenant, revision);
        queries.create(&query).await.unwrap();
        made.push(query);
    }
    let expected = |keep: &dyn Fn(&Query) -> bool| -> Vec<String> {
        made.iter().filter(|query| keep(query)).map(|query| query.name().to_string()).collect()
    };

    for limit in [1, 7, 100] {
        assert_eq!(names(&all(queries, tenant, &Filter::default(), limit).await), expected(&|_| true), "{limit}");
    }
    for limit in [1, 10, 50, 100] {
        let tagged = Filter { tag: Some("daily".to_owned()), label: None };
        assert_eq!(
            names(&all(queries, tenant, &tagged, limit).await),
            expected(&|query| query.shown().spec.tags.iter().any(|tag| tag == "daily"))
        );
    }
    let both = Filter { tag: Some("eu".to_owned()), label: Some("write".to_owned()) };
    assert_eq!(
        names(&all(queries, tenant, &both, 9).await),
        expected(&|query| {
            let spec = &query.shown().spec;
            spec.tags.iter().any(|tag| tag == "eu") && spec.mode == Mode::Write
        })
    );
    let part_of_a_tag = Filter { tag: Some("dail".to_owned()), label: None };
    assert!(all(queries, tenant, &part_of_a_tag, 10).await.is_empty());

    // The last page is known to be the last, and a page after a deleted entity begins where it was.
    let page = queries.list(tenant, &Filter::default(), Some(made[149].id()), 100).await.unwrap();
    assert_eq!((page.items.len(), page.next), (100, None));
    queries.delete(&made[149]).await.unwrap();
    let page = queries.list(tenant, &Filter::default(), Some(made[149].id()), 100).await.unwrap();
    assert_eq!(page.items[0].id, made[150].id);
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let test = TestStore::open().await;
    let sources: &dyn Repository<Source> = &test.store;
    let (ours, theirs) = (tenant(), tenant());
    let source = source(theirs, "flights");
    sources.create(&source).await.unwrap();
    let query = query(theirs, "delays", &source);
    test.store.create(&query).await.unwrap();
    assert!(sources.get(ours, source.id()).await.unwrap().is_none());
    assert!(sources.find(ours, &source.name).await.unwrap().is_none());
    assert!(sources.list(ours, &Filter::default(), None, 10).await.unwrap().items.is_empty());
    assert!(sources.users(ours, source.id()).await.unwrap().is_empty());
    assert_eq!(code(sources.delete(&Source { tenant: ours, ..source.clone() }).await), ErrorCode::NotFound);
    let stolen = Source { tenant: ours, version: 2, ..source.clone() };
    assert_eq!(code(sources.replace(&stolen).await), ErrorCode::NotFound);
    let borrowing = fixtures::query(ours, "delays", &source);
    assert_eq!(code(test.store.create(&borrowing).await), ErrorCode::NotFound);
    sources.create(&Source { tenant: ours, ..source.clone() }).await.unwrap();
    assert_eq!(sources.get(theirs, source.id()).await.unwrap().unwrap().tenant, theirs);
}

#[tokio::test]
async fn what_is_referred_to_must_exist_and_cannot_be_deleted() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let source = source(tenant, "flights");
    let orphan = query(tenant, "orphan", &source);
    let error = test.store.create(&orphan).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.message().contains(&source.id.to_string()), "{error}");
    assert!(Repository::<Query>::find(&test.store, tenant, orphan.name()).await.unwrap().is_none());

    test.store.create(&source).await.unwrap();
    let queries = [query(tenant, "delays", &source), query(tenant, "carriers", &source)];
    for query in &queries {
        test.store.create(query).await.unwrap();
    }
    let mut server = server(tenant, "desk", queries.iter().map(|query| query.id));
    server.source_ids = vec![source.id, source.id];
    test.store.create(&server).await.unwrap();

    let sources: &dyn Repository<Source> = &test.store;
    let users: HashSet<_> = sources.users(tenant, source.id()).await.unwrap().into_iter().collect();
    let user = |kind, id| Reference { kind, id };
    assert_eq!(
        users,
        HashSet::from([
            user(EntityKind::Query, queries[0].id()),
            user(EntityKind::Query, queries[1].id()),
            user(EntityKind::Server, server.id())
        ])
    );
    let error = sources.delete(&source).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InUse);
    assert!(error.message().contains("2 queries and 1 server"), "{error}");
    assert_eq!(code(test.store.delete(&queries[0]).await), ErrorCode::InUse);

    // A replacement keeps the notes of use that are on the entity, and moves its own.
    sources.replace(&Source { version: 2, ..source.clone() }).await.unwrap();
    let source = Source { version: 2, ..source };
    assert_eq!(code(sources.delete(&source).await), ErrorCode::InUse);
    let server = Server { version: 2, query_ids: vec![queries[1].id], source_ids: vec![], ..server };
    test.store.replace(&server).await.unwrap();
    test.store.delete(&queries[0]).await.unwrap();
    assert_eq!(code(test.store.delete(&queries[1]).await), ErrorCode::InUse);
    let back = Server { version: 3, query_ids: vec![queries[0].id], ..server.clone() };
    assert_eq!(code(test.store.replace(&back).await), ErrorCode::NotFound);

    test.store.delete(&server).await.unwrap();
    test.store.delete(&queries[1]).await.unwrap();
    assert!(sources.users(tenant, source.id()).await.unwrap().is_empty());
    sources.delete(&source).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_may_gain_many_queries_at_once() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let source = source(tenant, "flights");
    test.store.create(&source).await.unwrap();
    let mut creates = JoinSet::new();
    for number in 0..30 {
        let store = test.store.clone();
        let query = query(tenant, &format!("query-{number}"), &source);
        creates.spawn(async move { store.create(&query).await });
    }
    for result in creates.join_all().await {
        result.unwrap();
    }
    assert_eq!(Repository::<Source>::users(&test.store, tenant, source.id()).await.unwrap().len(), 30);
}

#[tokio::test]
async fn the_number_of_references_is_limited() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let source = source(tenant, "flights");
    test.store.create(&source).await.unwrap();
    let mut ids: Vec<QueryId> = Vec::new();
    for number in 0..2 * MAX_REFERENCES {
        let query = query(tenant, &format!("query-{number}"), &source);
        test.store.create(&query).await.unwrap();
        ids.push(query.id);
    }
    let too_many = server(tenant, "many", ids[..=MAX_REFERENCES].iter().copied());
    let error = test.store.create(&too_many).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    assert!(error.message().contains("98") && error.message().contains("97"), "{error}");

    let most = server(tenant, "many", ids[..MAX_REFERENCES].iter().copied());
    test.store.create(&most).await.unwrap();
    let others = Server { version: 2, query_ids: ids[MAX_REFERENCES..].to_vec(), ..most.clone() };
    assert_eq!(code(test.store.replace(&others).await), ErrorCode::LimitExceeded);
    let none = Server { version: 2, query_ids: vec![], ..most.clone() };
    test.store.replace(&none).await.unwrap();
    let others = Server { version: 3, ..others };
    test.store.replace(&others).await.unwrap();
    test.store.delete(&others).await.unwrap();
    let gone: Option<Arc<Server>> = test.store.get(tenant, most.id()).await.unwrap();
    assert!(gone.is_none());
}

#[tokio::test]
async fn entities_are_counted_for_each_tenant_and_kind_up_to_a_number() {
    let test = TestStore::open().await;
    let (sources, queries): (&dyn Repository<Source>, &dyn Repository<Query>) = (&test.store, &test.store);
    let (one, other) = (tenant(), tenant());
    assert_eq!(sources.count(one, 10).await.unwrap(), 0);
    for name in ["a", "b", "c"] {
        sources.create(&source(one, name)).await.unwrap();
    }
    let last = source(one, "d");
    sources.create(&last).await.unwrap();
    sources.create(&source(other, "a")).await.unwrap();
    queries.create(&query(one, "a", &last)).await.unwrap();
    for (at_most, counted) in [(1, 1), (3, 3), (4, 4), (5, 4), (u16::MAX, 4)] {
        assert_eq!(sources.count(one, at_most).await.unwrap(), counted, "at most {at_most}");
    }
    assert_eq!((sources.count(other, 10).await.unwrap(), queries.count(one, 10).await.unwrap()), (1, 1));

    let unused = source(one, "e");
    sources.create(&unused).await.unwrap();
    let changed = Source { version: 2, ..unused };
    sources.replace(&changed).await.unwrap();
    assert_eq!(sources.count(one, 10).await.unwrap(), 5, "a change makes none more");
    sources.delete(&changed).await.unwrap();
    assert_eq!(sources.count(one, 10).await.unwrap(), 4);
}

#[tokio::test]
async fn an_entity_that_is_too_large_is_refused() {
    let test = TestStore::open().await;
    let mut source = source(tenant(), "flights");
    source.description = "x".repeat(350_000);
    test.store.create(&source).await.unwrap();
    source.version = 2;
    source.description = "x".repeat(450_000);
    assert_eq!(code(test.store.replace(&source).await), ErrorCode::LimitExceeded);
    source.id = tidegate_core::id::SourceId::from_uuid(Uuid::now_v7());
    source.name = "larger".parse().unwrap();
    assert_eq!(code(test.store.create(&source).await), ErrorCode::LimitExceeded);
}

#[tokio::test]
async fn a_list_goes_on_past_a_page_of_the_database() {
    let test = TestStore::open().await;
    let tenant = tenant();
    for number in 0..8 {
        let mut source = source(tenant, &format!("source-{number}"));
        source.description = "x".repeat(300_000);
        test.store.create(&source).await.unwrap();
    }
    let page = Repository::<Source>::list(&test.store, tenant, &Filter::default(), None, 7).await.unwrap();
    assert_eq!((page.items.len(), page.next), (7, Some(page.items[6].id())));
}

#[tokio::test]
async fn the_store_is_healthy() {
    let test = TestStore::open().await;
    assert_eq!(test.store.name(), "store");
    test.store.check().await.unwrap();
}

#[tokio::test]
async fn making_the_table_again_does_no_harm() {
    let test = TestStore::open().await;
    let source = source(tenant(), "flights");
    test.store.create(&source).await.unwrap();
    test.store.create_table().await.unwrap();
    let kept: Option<Arc<Source>> = test.store.get(source.tenant, source.id()).await.unwrap();
    assert!(kept.is_some());
}
