//! SQLite has one limit of memory for all of a process, which the local store is part of.

use std::time::Duration;

use serde_json::json;
use tests::{Answer, Client, TestServer};
use tokio::time::sleep;

/// Never ends, and takes no memory.
const ENDLESS: &str = "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n)";

/// Holds so many values of megabytes at once while `last` is computed.
async fn hold(owner: &Client, source: &str, values: usize, last: &str) -> Answer {
    let sql = format!("SELECT length(max({}{last}))", "hex(zeroblob(1800000)), ".repeat(values));
    owner.post("/v1/execute/raw", &json!({"source": source, "sql": sql})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_reach_the_limit_of_memory_leave_the_store_working() {
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let source = |name: &str, time_ms: u64| {
        json!({"name": name, "connection": {"sqlite": {"path": "flights.sqlite"}}, "allow_raw": true,
               "limits": {"time_ms": time_ms}})
    };
    for (name, time_ms) in [("holding", 3_000), ("eating", 3_000)] {
        owner.post("/v1/sources", &source(name, time_ms)).await.expect(201);
    }
    // One statement holds most of the memory for its time, and others ask for more than is left, again and again.
    let holding = hold(&owner, "holding", 40, ENDLESS);
    let eating = async {
        sleep(Duration::from_millis(500)).await;
        for _ in 0..20 {
            hold(&owner, "eating", 90, "1").await.problem(422, "limit_exceeded");
        }
    };
    let writing = async {
        sleep(Duration::from_millis(500)).await;
        for number in 0..50 {
            owner.post("/v1/sources", &source(&format!("written-{number}"), 100)).await.expect(201);
        }
    };
    let (held, (), ()) = tokio::join!(holding, eating, writing);
    held.problem(504, "timeout");
    let sources = owner.get("/v1/sources?limit=100").await.expect(200);
    assert_eq!(sources.to_string().matches("\"written-").count(), 50, "{sources:#}");
}
