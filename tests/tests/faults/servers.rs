//! Servers that are stopped, restarted and frozen.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::json;
use tests::{PATIENCE, TestServer, ended_at, until};

use crate::{CANCEL_LIMIT, admin::Admin, kind::Kind, raw_within, register_writer, three};

const COUNT: &str = "SELECT count(*) FROM counted";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_costs_nobody_a_call_and_a_stopped_server_is_unavailable_until_it_is_back(
    #[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind,
) {
    let mut server = kind.own();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    owner.register(&kind.source("db", &server, 5)).await;
    Admin::of(kind, &server).await.make_table("counted", &server).await;
    register_writer(&owner, "db", "counted").await;
    assert_eq!(three(&owner, "db", COUNT).await, [1, 1, 1]);

    // Every session is lost, and nobody notices.
    server.stop();
    server.start_again();
    owner.run("db-add", json!({"id": 1})).await.expect(200);
    assert_eq!(three(&owner, "db", COUNT).await, [2, 2, 2]);

    server.stop();
    owner.raw("db", COUNT).await.problem(502, "source_unavailable");
    owner.run("db-add", json!({"id": 2})).await.problem(502, "source_unavailable");
    server.start_again();
    // Two failures do not open the breaker.
    assert_eq!(three(&owner, "db", COUNT).await, [2, 2, 2]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_a_frozen_server_end_at_their_deadline(
    #[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind,
) {
    let mut server = kind.own();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    owner.register(&kind.source("db", &server, 5)).await;
    Admin::of(kind, &server).await.make_table("counted", &server).await;
    register_writer(&owner, "db", "counted").await;
    owner.raw("db", COUNT).await.expect(200);

    // One of the calls has the idle session, the other has to open one.
    server.freeze();
    let began = Instant::now();
    let (read, write) = tokio::join!(raw_within(&owner, "db", COUNT, "700"), async {
        let body = json!({"arguments": {"id": 1}}).to_string();
        owner.send(Method::POST, "/v1/execute/db-add", &[("x-request-timeout", "700")], Some(body)).await
    });
    let waited = began.elapsed();
    read.problem(504, "timeout");
    write.problem(504, "timeout");
    ended_at(Duration::from_millis(700), waited, "the later of two calls");

    server.thaw();
    let is_back = async || raw_within(&owner, "db", COUNT, "2000").await.status == StatusCode::OK;
    until("a thawed source", PATIENCE, is_back).await;
    Admin::of(kind, &server).await.see_the_end_of("counted", CANCEL_LIMIT).await;
    assert_eq!(three(&owner, "db", COUNT).await, [1, 1, 1], "a write was done after its end");
}
