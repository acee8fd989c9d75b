//! Answers in one piece, and answers that stream.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Environment, Event};

use crate::{EXECUTE, MCP, REGISTRY, executions, raw_as};

/// 400 rows of a kilobyte; each of the latter half takes milliseconds, and all of it many times what the test asks for.
const SLOWING: &str = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 400) \
                       SELECT i, printf('%01000d', i), CASE WHEN i <= 200 THEN 0 ELSE (WITH RECURSIVE c(k) AS \
                       (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < 10000) SELECT count(*) FROM c WHERE k % 7 < i) \
                       END FROM s";

#[tokio::test]
async fn a_stream_is_refused_where_the_gateway_buffers() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let event = raw_as(&cloud, "ndjson", "SELECT 1 AS one", json!({}));
    let problem = function.call(&event).await.problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("streaming URL"), "{problem}");
    let variables = cloud.variables_with("TIDEGATE_URL_STREAMS", None);
    let mut buffered = Environment::start(Path::new(EXECUTE), &variables).await;
    buffered.call(&event.over_url()).await.problem(400, "invalid_request");
}

#[tokio::test]
async fn a_write_whose_answer_would_stream_is_refused_before_it_is_done() {
    let cloud = Cloud::start().await;
    let mut registry = cloud.function(REGISTRY).await;
    let source = json!({"name": "db", "connection": {"sqlite": {"path": "flights.sqlite"}}, "allow_raw": true,
                        "allow_raw_writes": true});
    let insert = "INSERT INTO airlines (carrier, name) VALUES ('X' || (SELECT count(*) FROM airlines), 'more')";
    let query = json!({"name": "add", "description": "add one", "source": "db", "mode": "write", "statement": insert});
    for (path, body) in [("/v1/sources", source), ("/v1/queries", query)] {
        registry.call(&Event::new("POST", path).key(&cloud.key).body(body)).await.expect(201);
    }
    let mut function = cloud.function(EXECUTE).await;
    let count = raw_as(&cloud, "json", "SELECT count(*) FROM airlines", json!({}));
    let before = function.call(&count).await.expect(200)["rows"][0][0].as_u64().unwrap();
    let post = |path: &str, body: Json| Event::new("POST", path).key(&cloud.key).body(body);
    function.call(&post("/v1/execute/add", json!({}))).await.expect(200);
    let page = function.call(&Event::new("GET", "/v1/executions?query=add").key(&cloud.key)).await.expect(200);
    let again = format!("/v1/executions/{}/rerun", page["items"][0]["id"].as_str().unwrap());

    let write = json!({"source": "db", "mode": "write", "sql": insert});
    for (path, body) in [("/v1/execute/raw", write), ("/v1/execute/add", json!({})), (&*again, json!({}))] {
        let event = post(&format!("{path}?format=ndjson"), body.clone());
        let problem = function.call(&event).await.problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains("streaming URL"), "{problem}");
        let event = post(path, body).header("accept", "application/x-ndjson");
        function.call(&event).await.problem(400, "invalid_request");
    }
    assert_eq!(function.call(&count).await.expect(200)["rows"][0][0], before + 1);
}

#[tokio::test]
async fn an_answer_of_more_than_six_megabytes_is_refused_with_what_to_do() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let sql = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 900) \
               SELECT i, printf('%08000d', i) FROM s";
    let event = raw_as(&cloud, "json", sql, json!({"bytes": 8 << 20}));
    let problem = function.call(&event).await.problem(422, "limit_exceeded");
    assert!(problem["detail"].as_str().unwrap().contains("next_cursor"), "{problem}");
    // The streaming URL carries it.
    let whole = function.call(&event.over_url()).await.expect(200);
    assert_eq!(whole["row_count"], 900);
    let less = raw_as(&cloud, "json", sql, json!({"bytes": 1 << 20}));
    assert_eq!(function.call(&less).await.expect(200)["truncated"], "bytes");
}

#[tokio::test]
async fn a_function_url_streams_rows_as_they_come() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let event = raw_as(&cloud, "ndjson", SLOWING, json!({})).over_url();
    let mut outcome = function.invoke(&event, Duration::from_secs(20)).await.unwrap();
    assert!(outcome.is_streamed && !outcome.is_failure);
    let (mut body, mut arrivals) = (Vec::new(), Vec::new());
    while let Some(part) = outcome.parts.recv().await {
        body.extend(part);
        arrivals.push((Instant::now(), body.len()));
    }
    let (end, length) = *arrivals.last().unwrap();
    let (first, _) = arrivals.iter().find(|(_, length)| *length > 20_000).unwrap();
    assert!(length > 400_000 && end.duration_since(*first) > Duration::from_millis(100), "{arrivals:?}");
    let text = String::from_utf8(body).unwrap();
    let (prelude, rows) = text.split_once("\0\0\0\0\0\0\0\0").unwrap();
    let prelude: Json = serde_json::from_str(prelude).unwrap();
    assert_eq!(
        (&prelude["statusCode"], &prelude["headers"]["content-type"]),
        (&json!(200), &json!("application/x-ndjson"))
    );
    let last: Json = serde_json::from_str(rows.lines().last().unwrap()).unwrap();
    assert_eq!(last["tidegate"]["row_count"], 400, "{last}");
    function.idle().await;
    assert_eq!(executions(&cloud).await[0]["rows"], 400);
}

#[tokio::test]
async fn a_stream_nobody_reads_any_more_does_not_disturb_the_next_call() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let event = raw_as(&cloud, "ndjson", SLOWING, json!({})).over_url();
    drop(function.invoke(&event, Duration::from_secs(20)).await.unwrap());
    let one = raw_as(&cloud, "json", "SELECT 1 AS one", json!({}));
    assert_eq!(function.call(&one).await.expect(200)["rows"], json!([[1]]));
    assert_eq!(executions(&cloud).await.len(), 2);
}

#[tokio::test]
async fn problems_over_a_function_url_are_problems() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let event = raw_as(&cloud, "ndjson", "SELEC", json!({})).over_url();
    function.call(&event).await.problem(422, "invalid_statement");
    function.call(&Event::new("GET", "/nothing").over_url()).await.problem(404, "not_found");
}

#[tokio::test]
async fn mcp_works_over_both_gateways() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(MCP).await;
    let send = |body: Json| {
        Event::new("POST", "/t/demo/mcp/flights")
            .key(&cloud.key)
            .body(body)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
    };
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    let hello = send(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}));
    let list = send(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    let sql = json!({"name": "run_sql", "arguments": {"sql": "SELECT name FROM airlines WHERE carrier = 'UA'"}});
    let call = send(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": sql}));
    let note = send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    for over_url in [false, true] {
        let event = |event: &Event| if over_url { event.clone().over_url() } else { event.clone() };
        assert_eq!(function.call(&event(&hello)).await.expect(200)["result"]["serverInfo"]["name"], "flights");
        assert_eq!(function.call(&event(&note)).await.status, 202);
        assert!(function.call(&event(&list)).await.expect(200)["result"]["tools"].as_array().unwrap().len() > 8);
        let outcome = function.invoke(&event(&call), Duration::from_secs(20)).await.unwrap();
        assert_eq!(outcome.is_streamed, over_url);
        let called = function.call(&event(&call)).await.expect(200);
        assert_eq!(called["result"]["structuredContent"]["rows"], json!([["United Air Lines Inc."]]));
        function.call(&event(&call.clone().header("origin", "https://evil.test"))).await.problem(403, "forbidden");
    }
}
