//! A reset empties the table.

use std::sync::{Mutex, atomic::AtomicUsize, mpsc};

use tokio::sync::oneshot;

use super::{
    super::LAYOUT,
    fixture::{Fixture, tenant},
    interceptors::HoldAt,
};
use crate::dynamo::tests::make_tenant;

#[tokio::test]
async fn a_reset_leaves_an_empty_table_even_when_it_died_before() {
    for writes in 0.. {
        let fixture = Fixture::old().await;
        fixture.migrations().upgrade().await.unwrap();
        let outcome = fixture.dying(writes).reset().await;
        if outcome.is_err() {
            fixture.later().reset().await.unwrap();
        }
        let left = fixture.store().client.scan().table_name(&*fixture.store().table).send().await.unwrap();
        assert_eq!(left.items(), [], "{writes}");
        assert_eq!(fixture.migrations().initialise().await.unwrap().revision, LAYOUT.revision());
        if outcome.is_ok() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_another_process_takes_over_from_stops_without_writing() {
    let fixture = Fixture::old().await;
    let (reached, is_reached) = oneshot::channel();
    let (go_on, may_go_on) = mpsc::channel();
    // The lock, the version, the first items.
    let write = AtomicUsize::new(3);
    let slow = fixture.intercepted(HoldAt { write, reached: Mutex::new(Some(reached)), go_on: Mutex::new(may_go_on) });
    let reset = tokio::spawn(async move { slow.reset().await });
    is_reached.await.unwrap();
    // It is silent for too long. Another begins to use the table.
    let later = fixture.later();
    let lock = later.lock().await.unwrap();
    let before = fixture.items().await;
    assert_eq!(before.len(), 3);
    go_on.send(()).unwrap();
    let error = reset.await.unwrap().unwrap_err();
    assert!(error.message().starts_with("another process took over"), "{error}");
    assert_eq!(fixture.items().await, before);
    later.unlock(&lock).await.unwrap();
}

#[tokio::test]
async fn a_reset_deletes_more_than_one_transaction_holds() {
    let fixture = Fixture::empty().await;
    fixture.migrations().initialise().await.unwrap();
    for number in 0..30 {
        make_tenant(fixture.store(), &tenant(&format!("tenant-{number}"))).await.unwrap();
    }
    assert_eq!(fixture.migrations().reset().await.unwrap(), 120);
    assert_eq!(fixture.items().await, []);
}
