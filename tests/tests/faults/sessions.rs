//! Sessions that end on the server.

use rstest::rstest;
use serde_json::json;
use tests::{PATIENCE, TestServer, proxy::Proxy, until};

use crate::{CANCEL_LIMIT, admin::Admin, kind, kind::Kind, register_writer, three};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_sessions_cost_a_reader_nothing(#[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind) {
    let server = kind.own();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    owner.register(&kind.source("db", &server, 5)).await;
    let mut admin = Admin::of(kind, &server).await;
    admin.make_table("counted", &server).await;
    register_writer(&owner, "db", "counted").await;
    let count = "SELECT count(*) FROM counted";

    // Killed while idle: neither who reads nor who writes notices.
    assert_eq!(three(&owner, "db", count).await, [1, 1, 1]);
    admin.kill().await;
    assert_eq!(three(&owner, "db", count).await, [1, 1, 1]);
    admin.kill().await;
    owner.run("db-add", json!({"id": 1})).await.expect(200);

    // Killed before the first row: a reader is served all the same, by another session.
    let mut locker = Admin::of(kind, &server).await;
    locker.execute(kind.lock("counted")).await;
    let (answer, ()) = tokio::join!(owner.raw("db", "SELECT count(*) AS killed_early FROM counted"), async {
        admin.see("killed_early").await;
        admin.kill().await;
        admin.see("killed_early").await;
        locker.execute(kind.unlock()).await;
    });
    assert_eq!(answer.expect(200)["rows"], json!([[2]]));

    // Killed twice: it is not tried for ever.
    locker.execute(kind.lock("counted")).await;
    let (answer, ()) = tokio::join!(owner.raw("db", "SELECT count(*) AS killed_twice FROM counted"), async {
        for _ in 0..2 {
            admin.see("killed_twice").await;
            admin.kill().await;
        }
    });
    answer.problem(502, "source_unavailable");

    // A writer is told, and not repeated.
    let (answer, ()) = tokio::join!(owner.run("db-add", json!({"id": 2})), async {
        admin.see("INSERT INTO counted").await;
        admin.kill().await;
    });
    answer.problem(502, "source_unavailable");
    locker.execute(kind.unlock()).await;
    assert_eq!(three(&owner, "db", count).await, [2, 2, 2]);

    // Killed amid the rows: they cannot be taken back, so the call fails and is not repeated.
    let proxy = Proxy::before(&server.host, server.port).await;
    owner.register(&kind.source_behind(&proxy, "watched", &server)).await;
    let stuck = kind::stuck("killed_late");
    let (answer, ()) = tokio::join!(owner.raw("watched", &stuck), async {
        until("the first rows", PATIENCE, async || proxy.bytes_answered() > 100_000).await;
        admin.kill().await;
    });
    answer.problem(502, "source_unavailable");
    admin.see_the_end_of("killed_late", CANCEL_LIMIT).await;
    assert_eq!(three(&owner, "db", count).await, [2, 2, 2]);
}
