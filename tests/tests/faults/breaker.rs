//! A source that cannot be connected to, and the circuit breaker that leaves it alone.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use rstest::rstest;
use serde_json::json;
use tests::{PATIENCE, TestServer, proxy::Proxy, until};

use crate::{kind::Kind, retry_after};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_down_fails_at_once_and_the_others_do_not_notice(
    #[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind,
) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let mut proxy = Proxy::before(&server.host, server.port).await;
    owner.register(&kind.source_behind(&proxy, "db", server)).await;
    owner.register(&kind.source("other", server, 5)).await;
    let endpoint = json!({"name": "db", "sources": ["db"], "builtins": ["run_sql"]});
    owner.post("/v1/servers", &endpoint).await.expect(201);
    let call = async || owner.raw("db", "SELECT 1 AS one").await;
    call().await.expect(200);

    proxy.down().await;
    let mut calls = 0;
    loop {
        let refused = call().await;
        refused.problem(502, "source_unavailable");
        calls += 1;
        match retry_after(&refused) {
            Some(seconds) => break assert!((1..=5).contains(&seconds)),
            None => assert!(calls <= 3, "the breaker does not open"),
        }
    }
    // The source is back, which nobody looks at for a while.
    proxy.up().await;
    let before = proxy.connections();
    let mut took = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let refused = call().await;
        took.push(began.elapsed());
        let problem = refused.problem(502, "source_unavailable");
        assert!(problem["detail"].as_str().unwrap().to_lowercase().contains("refuse"), "{problem:#}");
        assert!(retry_after(&refused).is_some());
    }
    took.sort();
    println!("failing fast, over HTTP: a quarter within {:?}, the worst {:?}", took[12], took[49]);
    // On a busy machine many of them wait for a processor, but a call that tries the source is never fast.
    assert!(took[12] < Duration::from_millis(5), "{took:?}");
    assert_eq!(proxy.connections(), before);
    owner.raw("other", "SELECT 1 AS one").await.expect(200);

    let tool = json!({"name": "run_sql", "arguments": {"sql": "SELECT 1 AS one"}});
    let told = owner.mcp_modern("/t/demo/mcp/db", "tools/call", tool).await.expect(200);
    let text = told["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("source_unavailable: ") && text.contains("Not before "), "{text}");

    // One call finds out, when the time is over.
    until("the source", PATIENCE, async || call().await.status == StatusCode::OK).await;
    call().await.expect(200);

    // A test of the connection finds out at any time.
    proxy.down().await;
    until("an open breaker", PATIENCE, async || retry_after(&call().await).is_some()).await;
    owner.post("/v1/sources/db/test", &json!({})).await.problem(502, "source_unavailable");
    proxy.up().await;
    assert!(retry_after(&call().await).is_some());
    owner.post("/v1/sources/db/test", &json!({})).await.expect(200);
    call().await.expect(200);
}
