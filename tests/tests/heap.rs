//! SQLite has one limit of memory for all of a process, which the local store is part of.

use std::{process, time::Duration};

use serde_json::json;
use tests::{Answer, Client, TestServer, memory, until};

/// Never ends, and takes no memory.
const ENDLESS: &str = "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n)";

/// The bytes of a blob. Its text takes twice as many, and SQLite keeps both.
const BLOB: u64 = 1_800_000;
/// How many values one statement holds, and what others ask for, which is more than the limit by itself.
const HELD: usize = 40;
const ASKED: usize = 90;
/// How long a statement may take, and so how long the memory is held.
const TIME: Duration = Duration::from_secs(3);

/// Holds the texts of so many blobs at once while `last` is computed.
async fn hold(owner: &Client, source: &str, values: usize, last: &str) -> Answer {
    let texts = format!("hex(zeroblob({BLOB})), ").repeat(values);
    owner.raw(source, &format!("SELECT length(max({texts}{last}))")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_reach_the_limit_of_memory_leave_the_store_working() {
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let register = async |name: &str, time: Duration| {
        let connection = json!({"sqlite": {"path": "flights.sqlite"}});
        let limits = json!({"time_ms": time.as_millis()});
        owner.register(&json!({"name": name, "connection": connection, "allow_raw": true, "limits": limits})).await;
    };
    register("holding", TIME).await;
    register("eating", TIME).await;

    // One statement holds most of the memory for its time, and others ask for more than is left, again and again.
    let holding = hold(&owner, "holding", HELD, ENDLESS);
    let eating = async {
        for _ in 0..20 {
            hold(&owner, "eating", ASKED, "1").await.problem(422, "limit_exceeded");
        }
    };
    let writing = async {
        for number in 0..50 {
            register(&format!("written-{number}"), Duration::from_millis(100)).await;
        }
    };
    // One that eats before all is held would keep it from being held. The last text is allocated whole before it is
    // written, so when half of it is resident, nothing more is asked for.
    let full = memory(process::id(), "VmRSS") + (3 * HELD as u64 - 1) * BLOB;
    let meanwhile = async {
        until("all is held", TIME, async || memory(process::id(), "VmRSS") >= full).await;
        tokio::join!(eating, writing);
    };
    let (held, ()) = tokio::join!(holding, meanwhile);
    held.problem(504, "timeout");
    let sources = owner.get("/v1/sources?limit=100").await.expect(200);
    assert_eq!(sources.to_string().matches("\"written-").count(), 50, "{sources:#}");
}
