//! Clients that go away.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tests::{Client, PATIENCE, TestServer, until};

use crate::{CANCEL_LIMIT, admin::Admin, kind, kind::Kind, register_writer};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_cancels_its_statement(
    #[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind,
) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    owner.register(&kind.source("db", server, 1)).await;
    owner.post("/v1/servers", &json!({"name": "db", "sources": ["db"], "builtins": ["run_sql"]})).await.expect(201);
    let mut admin = Admin::of(kind, server).await;

    for way in ["rest", "rest_stream", "mcp_legacy", "mcp_modern"] {
        let took = leave(way, &owner, &mut admin).await;
        println!("{way}: cancelled {took:?} after the client had gone");
        assert!(took <= CANCEL_LIMIT, "{way}: cancelled {took:?} after the client had gone");
        // The one session there may be serves the next.
        owner.raw("db", "SELECT 1 AS one").await.expect(200);
    }
}

/// Calls this way and goes away while the statement runs. Gives back how long it ran on.
async fn leave(way: &str, owner: &Client, admin: &mut Admin) -> Duration {
    let marker = format!("gone_{way}");
    let sql = kind::slow(&marker);
    let tool = json!({"name": "run_sql", "arguments": {"sql": sql}});
    let body = json!({"source": "db", "sql": sql});
    let call = async {
        match way {
            "rest" => owner.post("/v1/execute/raw", &body).await,
            "rest_stream" => owner.post("/v1/execute/raw?format=ndjson", &body).await,
            "mcp_legacy" => owner.mcp_legacy("/t/demo/mcp/db", "tools/call", tool).await,
            _ => owner.mcp_modern("/t/demo/mcp/db", "tools/call", tool).await,
        }
    };
    tokio::select! {
        answer = call => panic!("{way}: {answer:?}"),
        // The call is dropped, and with it its connection.
        () = admin.see(&marker) => {}
    }
    // Without a cancel it would run until its deadline, which is later.
    admin.see_the_end_of(&marker, PATIENCE).await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_write_goes_on_without_its_client(#[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    owner.register(&kind.source("db", server, 2)).await;
    let [mut admin, mut locker] = [Admin::of(kind, server).await, Admin::of(kind, server).await];
    admin.make_table("streamed", server).await;
    register_writer(&owner, "db", "streamed").await;

    // Both wait for the lock when their clients go away, first that of the write.
    locker.execute(kind.lock("streamed")).await;
    let write = json!({"arguments": {"id": 1}});
    let read = json!({"source": "db", "sql": "SELECT count(*) AS streamed_read FROM streamed"});
    tokio::select! {
        answer = owner.post("/v1/execute/raw?format=ndjson", &read) => panic!("{answer:?}"),
        () = async {
            admin.see("streamed_read").await;
            tokio::select! {
                answer = owner.post("/v1/execute/db-add?format=ndjson", &write) => panic!("{answer:?}"),
                () = admin.see("INSERT INTO streamed") => {}
            }
        } => {}
    }
    admin.see_the_end_of("streamed_read", PATIENCE).await;
    admin.see("INSERT INTO streamed").await;
    locker.execute(kind.unlock()).await;

    let newest = async || owner.get("/v1/executions?query=db-add").await.expect(200)["items"][0].clone();
    until("a record", PATIENCE, async || !newest().await.is_null()).await;
    let stored = newest().await;
    assert_eq!((&stored["outcome"], &stored["rows"]), (&json!("ok"), &json!(1)), "{stored:#}");
    assert_eq!(owner.raw("db", "SELECT count(*) FROM streamed").await.expect(200)["rows"], json!([[2]]));
}
