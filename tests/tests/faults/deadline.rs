//! Deadlines that a caller sets.

use std::time::{Duration, Instant};

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tests::{TestServer, ended_at};

use crate::{CANCEL_LIMIT, admin::Admin, kind, kind::Kind, raw_within};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_lowers_the_deadline_and_never_raises_it(
    #[values(Kind::Postgres, Kind::Mariadb, Kind::Mysql)] kind: Kind,
) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    owner.register(&kind.source("db", server, 2)).await;
    let mut bounded = kind.source("bounded", server, 2);
    bounded["limits"] = json!({"time_ms": 400});
    owner.register(&bounded).await;
    owner.post("/v1/servers", &json!({"name": "db", "sources": ["db"], "builtins": ["run_sql"]})).await.expect(201);
    let slow = kind::slow("deadlines");

    for (source, timeout) in [("db", "400"), ("bounded", "60000")] {
        let began = Instant::now();
        raw_within(&owner, source, &slow, timeout).await.problem(504, "timeout");
        ended_at(Duration::from_millis(400), began.elapsed(), source);
    }
    let mcp = async |timeout: &str| {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                          "params": {"name": "run_sql", "arguments": {"sql": slow}}});
        let headers = [
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
            ("x-request-timeout", timeout),
        ];
        owner.send(Method::POST, "/t/demo/mcp/db", &headers, Some(call.to_string())).await
    };
    let told = mcp("400").await.expect(200);
    assert!(told["result"]["content"][0]["text"].as_str().unwrap().starts_with("timeout: "), "{told:#}");
    Admin::of(kind, server).await.see_the_end_of("deadlines", CANCEL_LIMIT).await;

    for malformed in ["0", "soon", "1.5", "-1", ""] {
        raw_within(&owner, "db", &slow, malformed).await.problem(400, "invalid_request");
        mcp(malformed).await.problem(400, "invalid_request");
    }
}
