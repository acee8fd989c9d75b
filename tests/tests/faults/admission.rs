//! A source whose sessions are all busy.

use rstest::rstest;
use serde_json::json;
use tests::{PATIENCE, TestServer};
use tokio::{sync::mpsc, time::timeout};

use crate::{admin::Admin, kind::Kind, retry_after};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_source_makes_calls_wait_and_then_refuses_them(
    #[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind,
) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    owner.register(&kind.source("db", server, 2)).await;
    let mut admin = Admin::of(kind, server).await;
    admin.make_table("filled", server).await;

    // Readers wait for the lock: two with a session, twenty in line, and no place for more.
    admin.execute(kind.lock("filled")).await;
    let (done, mut answers) = mpsc::unbounded_channel();
    for _ in 0..27 {
        let (owner, done) = (owner.clone(), done.clone());
        tokio::spawn(async move { done.send(owner.raw("db", "SELECT count(*) FROM filled").await) });
    }
    for _ in 0..5 {
        let refused = timeout(PATIENCE, answers.recv()).await.unwrap().unwrap();
        refused.problem(429, "rate_limited");
        assert_eq!(retry_after(&refused), Some(1));
    }
    assert!(answers.is_empty());

    admin.execute(kind.unlock()).await;
    for _ in 0..22 {
        let answer = timeout(PATIENCE, answers.recv()).await.unwrap().unwrap();
        assert_eq!(answer.expect(200)["rows"], json!([[1]]));
    }
    owner.raw("db", "SELECT count(*) FROM filled").await.expect(200);
}
