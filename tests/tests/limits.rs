//! What bounds an execution: the environment, the source, the query, the API key and the caller, each able to lower only.

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{Client, TestServer};

/// More rows than any budget of these tests.
const MANY: &str =
    "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 3000) SELECT n FROM s ORDER BY n";

/// A caller with a key of its own that has these limits.
async fn with_limits(server: &TestServer, name: &str, role: &str, limits: &Json) -> Client {
    let key = json!({"name": name, "role": role, "limits": limits});
    server.with_key(server.owner().post("/v1/keys", &key).await.expect(201)["key"].as_str().unwrap())
}

/// The rows of the result of a tool.
fn rows_of_tool(answer: &Json) -> &Json {
    &answer["result"]["structuredContent"]["row_count"]
}

#[tokio::test]
async fn each_layer_may_be_the_narrowest() {
    let server = TestServer::start().await;
    let owner = server.owner();
    for narrowest in ["environment", "source", "query", "key", "caller"] {
        // The environment's own limit is 1,000 rows.
        let limits = |layer: &str| json!({"rows": if layer == narrowest { 3 } else { 2000 }});
        let expected = if narrowest == "environment" { 1000 } else { 3 };
        let (source, query) = (format!("{narrowest}-source"), format!("{narrowest}-query"));
        let spec = json!({"name": source, "connection": {"sqlite": {"path": "flights.sqlite"}}, "allow_raw": true,
                          "limits": limits("source")});
        owner.register(&spec).await;
        let spec = json!({"name": query, "description": "d", "source": source, "statement": MANY,
                          "limits": limits("query")});
        owner.post("/v1/queries", &spec).await.expect(201);
        let caller = with_limits(&server, narrowest, "editor", &limits("key")).await;

        let body = json!({"limits": limits("caller")});
        let page = caller.post(&format!("/v1/execute/{query}"), &body).await.expect(200);
        assert_eq!((&page["row_count"], &page["truncated"]), (&json!(expected), &json!("rows")), "{narrowest}");
        if narrowest != "caller" {
            let call = json!({"name": query, "arguments": {}});
            let told = caller.mcp_legacy("/t/demo/mcp", "tools/call", call).await.expect(200);
            assert_eq!(rows_of_tool(&told), &json!(expected), "{narrowest}");
        }
        if narrowest != "query" {
            let body = json!({"source": source, "sql": MANY, "limits": limits("caller")});
            let page = caller.post("/v1/execute/raw", &body).await.expect(200);
            assert_eq!(page["row_count"], expected, "{narrowest}");
        }
    }
}

#[tokio::test]
async fn every_limit_of_a_key_holds_over_rest_and_mcp() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner
        .post("/v1/servers", &json!({"name": "raw", "sources": ["flights"], "builtins": ["run_sql"]}))
        .await
        .expect(201);
    let endless = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT max(n) AS m FROM s";
    for (limit, most, sql, outcome) in [
        ("rows", 7, MANY, "rows"),
        ("bytes", 200, MANY, "bytes"),
        ("cell_bytes", 5, "SELECT 'longer than five' AS t", "cells"),
        ("time_ms", 150, endless, "timeout"),
    ] {
        let caller = with_limits(&server, limit, "editor", &json!({limit: most})).await;
        // What the caller asks for on top of it changes nothing.
        let body = json!({"source": "flights", "sql": sql, "limits": {limit: 1_000_000}});
        let answer = caller.post("/v1/execute/raw", &body).await;
        let call = json!({"name": "run_sql", "arguments": {"sql": sql}});
        let told = caller.mcp_legacy("/t/demo/mcp/raw", "tools/call", call).await.expect(200);
        if outcome == "timeout" {
            answer.problem(504, "timeout");
            assert!(told["result"]["content"][0]["text"].as_str().unwrap().starts_with("timeout: "), "{told:#}");
        } else {
            assert_eq!(answer.expect(200)["truncated"], outcome, "{limit}");
            assert_eq!(told["result"]["structuredContent"]["truncated"], outcome, "{limit}");
        }
        let streamed = caller.send(Method::POST, "/v1/execute/raw?format=ndjson", &[], Some(body.to_string())).await;
        assert!(streamed.text.contains(&format!("\"{outcome}\"")), "{limit}: {}", streamed.text);
    }
}

#[tokio::test]
async fn the_limits_of_a_key_are_shown_and_hold_for_the_keys_it_makes() {
    let server = TestServer::start().await;
    let admin = with_limits(&server, "an-admin", "admin", &json!({"rows": 5, "time_ms": 900})).await;
    assert_eq!(admin.get("/v1/me").await.expect(200)["limits"], json!({"rows": 5, "time_ms": 900}));

    let made = json!({"name": "made", "role": "runner", "limits": {"rows": 100, "time_ms": 10, "bytes": 4000}});
    let made = admin.post("/v1/keys", &made).await.expect(201);
    assert_eq!(made["limits"], json!({"rows": 5, "time_ms": 10, "bytes": 4000}));
    let runner = server.with_key(made["key"].as_str().unwrap());
    assert_eq!(runner.get("/v1/me").await.expect(200)["limits"], made["limits"]);
    let listed = admin.get("/v1/keys?kind=runner").await.expect(200);
    assert_eq!(listed["items"][0]["limits"], made["limits"]);

    for (limits, field) in [(json!({"rows": 0}), "rows"), (json!({"row": 1}), "row"), (json!({"bytes": -1}), "bytes")] {
        let bad = json!({"name": "bad", "role": "runner", "limits": limits});
        let problem = admin.post("/v1/keys", &bad).await.problem(400, "invalid_request");
        assert!(problem["errors"][0]["field"].as_str().unwrap().ends_with(field), "{problem}");
    }
}
