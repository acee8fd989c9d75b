//! The history that is written behind the calls.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tidegate_core::{
    Error, ErrorCode, Result,
    execution::{Execution, ExecutionFilter, ExecutionPage},
    id::{ExecutionId, TenantId},
    ports::Executions,
};
use tidegate_store::{BatchExecutions, BufferedExecutions, LocalBackend};
use tokio::sync::Semaphore;

use crate::fixtures::{TestStore, execution, newest, tenant};

/// A history that notes the sizes of its writes, each of which needs a permit.
struct Notebook {
    permits: Semaphore,
    sizes: Mutex<Vec<usize>>,
    broken: AtomicBool,
}

impl Notebook {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self { permits: Semaphore::new(permits), sizes: Mutex::default(), broken: AtomicBool::new(false) })
    }
}

#[async_trait]
impl Executions for Notebook {
    async fn record(&self, _: Execution) -> Result<()> {
        unreachable!("records come in batches")
    }
    async fn page(&self, _: TenantId, _: &ExecutionFilter, _: Option<&str>, _: usize) -> Result<ExecutionPage> {
        unreachable!("nothing is read back")
    }
    async fn by_id(&self, _: TenantId, _: ExecutionId) -> Result<Option<Execution>> {
        unreachable!("nothing is read back")
    }
}

#[async_trait]
impl BatchExecutions for Notebook {
    async fn record_all(&self, executions: &[Execution]) -> Result<()> {
        self.permits.acquire().await.unwrap().forget();
        self.sizes.lock().unwrap().push(executions.len());
        match self.broken.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorCode::Unavailable, "broken")),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn records_are_written_in_full_batches() {
    let notebook = Notebook::new(100);
    let history = BufferedExecutions::new(Arc::<Notebook>::clone(&notebook));
    let tenant = tenant();
    for _ in 0..250 {
        history.record(execution(tenant)).await.unwrap();
    }
    history.flush().await.unwrap();
    assert_eq!(*notebook.sizes.lock().unwrap(), [100, 100, 50]);
}

#[tokio::test]
async fn a_flush_does_not_end_before_what_was_recorded_is_written() {
    let notebook = Notebook::new(0);
    let history = BufferedExecutions::new(Arc::<Notebook>::clone(&notebook));
    history.record(execution(tenant())).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), history.flush()).await.is_err());
    notebook.permits.add_permits(2);
    history.flush().await.unwrap();
    assert_eq!(*notebook.sizes.lock().unwrap(), [1]);
}

#[tokio::test]
async fn a_full_queue_makes_the_caller_wait() {
    let notebook = Notebook::new(0);
    let history = BufferedExecutions::new(Arc::<Notebook>::clone(&notebook));
    let one = execution(tenant());
    let fill = async {
        let mut recorded = 0;
        while tokio::time::timeout(Duration::from_millis(500), history.record(one.clone())).await.is_ok() {
            recorded += 1;
        }
        recorded
    };
    let recorded = fill.await;
    assert!((4096..=4096 + 100).contains(&recorded), "{recorded}");
    notebook.permits.add_permits(1000);
    history.record(one).await.unwrap();
    history.flush().await.unwrap();
    assert_eq!(notebook.sizes.lock().unwrap().iter().sum::<usize>(), recorded + 1);
}

#[tokio::test]
async fn records_that_the_store_does_not_take_are_counted() {
    let notebook = Notebook::new(100);
    let history = BufferedExecutions::new(Arc::<Notebook>::clone(&notebook));
    notebook.broken.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        history.record(execution(tenant())).await.unwrap();
    }
    let error = history.flush().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.message().starts_with("3 executions"), "{error}");
    notebook.broken.store(false, Ordering::Relaxed);
    history.record(execution(tenant())).await.unwrap();
    history.flush().await.unwrap();
}

#[tokio::test]
async fn what_was_recorded_is_in_the_history_at_once() {
    let test = TestStore::open().await;
    let history = BufferedExecutions::new(Arc::new(test.store.clone()));
    let tenant = tenant();
    let first = execution(tenant);
    history.record(first.clone()).await.unwrap();
    assert_eq!(newest(&history, tenant).await, [first]);
    let second = execution(tenant);
    history.record(second.clone()).await.unwrap();
    assert_eq!(history.by_id(tenant, second.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn what_is_queued_is_written_when_the_history_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalBackend::open(folder.path()).await.unwrap();
    let tenant = tenant();
    let history = BufferedExecutions::new(Arc::new(local.store.clone()));
    for _ in 0..40 {
        history.record(execution(tenant)).await.unwrap();
    }
    drop(history);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while newest(&local.store, tenant).await.len() < 40 {
        assert!(tokio::time::Instant::now() < deadline, "the queue was lost");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn expired_executions_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalBackend::open(folder.path()).await.unwrap();
    let tenant = tenant();
    let store = local.store.clone().with_retention(Duration::from_secs(60));
    let mut old = execution(tenant);
    old.started_at -= Duration::from_secs(3600);
    let recent = execution(tenant);
    store.record(old).await.unwrap();
    store.record(recent.clone()).await.unwrap();
    drop((store, local));
    // The sweep runs when the folder is opened, and then each minute.
    let local = LocalBackend::open(folder.path()).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while newest(&local.store, tenant).await != [recent.clone()] {
        assert!(tokio::time::Instant::now() < deadline, "the expired execution is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
