//! A network that breaks, forgets and drops.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use rstest::rstest;
use serde_json::json;
use tests::{PATIENCE, TestServer, proxy::Proxy, until};

use crate::{CANCEL_LIMIT, admin::Admin, kind, kind::Kind, raw_within, register_writer, three};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_network_is_noticed(#[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let proxy = Proxy::before(&server.host, server.port).await;
    owner.register(&kind.source_behind(&proxy, "db", server)).await;
    let mut admin = Admin::of(kind, server).await;
    admin.make_table("lost", server).await;
    register_writer(&owner, "db", "lost").await;
    let count = "SELECT count(*) FROM lost";

    // Broken between the begin of the transaction and the statement: who reads is served by another session, and who
    // writes is told.
    owner.raw("db", count).await.expect(200);
    let before = proxy.connections();
    proxy.break_after(1);
    owner.raw("db", count).await.expect(200);
    assert!(proxy.connections() > before, "the read did not need another connection");
    proxy.break_after(1);
    owner.run("db-add", json!({"id": 1})).await.problem(502, "source_unavailable");
    assert_eq!(owner.raw("db", count).await.expect(200)["rows"], json!([[1]]));

    // Connections that were cut silently are given up together, after a look at one of them.
    assert_eq!(three(&owner, "db", count).await, [1, 1, 1]);
    proxy.forget();
    let began = Instant::now();
    owner.raw("db", count).await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());

    // Packets are dropped amid a statement: the call ends at its deadline, and the source serves again afterwards.
    let slow = kind::slow("dropped");
    let (answer, ()) = tokio::join!(raw_within(&owner, "db", &slow, "3000"), async {
        admin.see("dropped").await;
        proxy.freeze();
    });
    answer.problem(504, "timeout");
    admin.see_the_end_of("dropped", CANCEL_LIMIT).await;
    proxy.thaw();
    let is_back = async || raw_within(&owner, "db", count, "2000").await.status == StatusCode::OK;
    until("the source", PATIENCE, is_back).await;
}
