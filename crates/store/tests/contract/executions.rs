//! The history as it is read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tidegate_core::{
    ErrorCode,
    execution::{Execution, ExecutionFilter},
    id::{ExecutionId, QueryId, TenantId},
    ports::Executions,
    result::Truncated,
};
use tidegate_store::BatchExecutions;
use uuid::{NoContext, Timestamp, Uuid};

use crate::fixtures::{TestStore, execution, newest, tenant};

/// An execution that ended so long ago.
fn ago(tenant: TenantId, ago: Duration) -> Execution {
    let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - ago;
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, ended.as_secs(), ended.subsec_nanos()));
    Execution { id: ExecutionId::from_uuid(id), ..execution(tenant) }
}

/// Every execution that a filter admits, page by page.
async fn all(history: &dyn Executions, tenant: TenantId, filter: &ExecutionFilter, limit: usize) -> Vec<Execution> {
    let mut all = Vec::new();
    let mut after = None;
    for pages in 1.. {
        assert!(pages < 1_000, "the pages have no end");
        let page = history.page(tenant, filter, after.as_deref(), limit).await.unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    all
}

#[tokio::test]
async fn the_history_gives_the_newest_executions_first() {
    let test = TestStore::open().await;
    let (ours, theirs) = (tenant(), tenant());
    let mut executions: Vec<_> = (0..130).map(|_| execution(ours)).collect();
    let foreign = [execution(theirs), execution(theirs)];
    let (alone, together) = executions.split_at(20);
    for execution in alone {
        test.store.record(execution.clone()).await.unwrap();
    }
    let mixed: Vec<_> = foreign.iter().chain(together.iter().rev()).cloned().collect();
    test.store.record_all(&mixed).await.unwrap();
    executions.reverse();
    assert_eq!(newest(&test.store, ours).await, executions[..100]);
    for limit in [1, 7, 50, 130, 1000] {
        assert_eq!(all(&test.store, ours, &ExecutionFilter::default(), limit).await, executions, "{limit}");
    }
    assert_eq!(newest(&test.store, theirs).await, [foreign[1].clone(), foreign[0].clone()]);
    let none = test.store.page(ours, &ExecutionFilter::default(), None, 0).await.unwrap();
    assert_eq!((none.items.len(), none.next), (0, None));
    test.store.record_all(&[]).await.unwrap();
}

#[tokio::test]
async fn an_execution_is_found_by_its_id_in_its_own_tenant() {
    let test = TestStore::open().await;
    let (ours, theirs) = (tenant(), tenant());
    // Recorded together although hours apart, as after an outage of the store.
    let executions: Vec<_> = (0..300).map(|number| ago(ours, Duration::from_millis(number * 97_003))).collect();
    test.store.record_all(&executions).await.unwrap();
    let burst: Vec<_> = (0..150).map(|_| execution(ours)).collect();
    test.store.record_all(&burst).await.unwrap();
    for execution in executions.iter().chain(&burst) {
        assert_eq!(test.store.by_id(ours, execution.id).await.unwrap().as_ref(), Some(execution));
        assert_eq!(test.store.by_id(theirs, execution.id).await.unwrap(), None);
    }
    for unknown in [Uuid::nil(), Uuid::now_v7(), Uuid::max()] {
        assert_eq!(test.store.by_id(ours, ExecutionId::from_uuid(unknown)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_filter_holds_for_every_page() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let query = QueryId::from_uuid(Uuid::now_v7());
    let executions: Vec<_> = (0..240_u64)
        .map(|number| Execution {
            query: (number % 40 == 0).then_some((query, number)),
            truncated: (number % 60 == 0).then_some(Truncated::Rows),
            error: (number % 80 == 0).then_some(ErrorCode::Timeout),
            ..ago(tenant, Duration::from_secs(number))
        })
        .collect();
    test.store.record_all(&executions).await.unwrap();
    let count = async |filter: ExecutionFilter| {
        let found = all(&test.store, tenant, &filter, 2).await;
        assert!(found.iter().all(|execution| filter.admits(execution)));
        assert!(found.is_sorted_by(|one, next| one.id > next.id));
        found.len()
    };
    let outcome = |word: &str| ExecutionFilter { outcome: Some(word.parse().unwrap()), ..ExecutionFilter::default() };
    assert_eq!(count(ExecutionFilter { query: Some(query), ..ExecutionFilter::default() }).await, 6);
    assert_eq!(count(outcome("timeout")).await, 3);
    assert_eq!(count(outcome("truncated")).await, 3);
    assert_eq!(count(outcome("ok")).await, 234);
    let one = &executions[100];
    assert_eq!(count(ExecutionFilter { caller: Some(one.caller.clone()), ..ExecutionFilter::default() }).await, 1);
    assert_eq!(count(ExecutionFilter { source: Some(one.source), ..ExecutionFilter::default() }).await, 1);

    let (from, to) = (executions[150].ended_at(), executions[50].ended_at());
    let range = |from, to| ExecutionFilter { from, to, ..ExecutionFilter::default() };
    assert_eq!(count(range(Some(from), Some(to))).await, 100);
    assert_eq!(count(range(Some(from), None)).await, 151);
    assert_eq!(count(range(None, Some(to))).await, 189);
    assert_eq!(count(range(Some(to), Some(from))).await, 0);
}

#[tokio::test]
async fn a_page_that_finds_nothing_ends_after_some_work_and_says_where_to_go_on() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let mut executions: Vec<_> = (0..4_500).map(|_| execution(tenant)).collect();
    executions[0].error = Some(ErrorCode::Timeout);
    let wanted = executions[0].clone();
    test.store.record_all(&executions).await.unwrap();
    let filter = ExecutionFilter { outcome: Some("error".parse().unwrap()), ..ExecutionFilter::default() };
    let first = test.store.page(tenant, &filter, None, 10).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    assert_eq!(all(&test.store, tenant, &filter, 10).await, [wanted]);
}

#[tokio::test]
async fn kept_arguments_do_not_make_an_item_too_large() {
    let test = TestStore::open().await;
    let tenant = tenant();
    let arguments = json!({"text": "x".repeat(4_000)}).as_object().cloned();
    let executions: Vec<_> =
        (0..200).map(|_| Execution { arguments: arguments.clone(), ..execution(tenant) }).collect();
    test.store.record_all(&executions).await.unwrap();
    assert!(all(&test.store, tenant, &ExecutionFilter::default(), 100).await.iter().eq(executions.iter().rev()));
}

#[tokio::test]
async fn a_cursor_that_no_page_gave_is_refused() {
    let test = TestStore::open().await;
    for cursor in ["", "x", "0198-"] {
        let error = test.store.page(tenant(), &ExecutionFilter::default(), Some(cursor), 10).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidCursor);
    }
}
