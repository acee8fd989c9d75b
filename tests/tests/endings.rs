//! How calls end before their statements do: their time is over, or their caller has gone.

use std::time::{Duration, Instant};

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use test_servers::Server;
use tests::{Client, PATIENCE, TestServer, ended_at, found};

/// The rows that come at once; each of the others takes some milliseconds.
const QUICK: i64 = 200;

/// 500 rows of a kilobyte, numbered from 1, on each kind of source.
fn slowing(kind: &str) -> &'static str {
    match kind {
        "postgres" => {
            "SELECT i AS slowing, repeat('x', 1000), CASE WHEN i <= 200 THEN 0 ELSE \
             (SELECT count(*) FROM generate_series(1, 100000) a WHERE a % 7 < i) END FROM generate_series(1, 500) i"
        }
        "mysql" => {
            "SELECT i.seq AS slowing, REPEAT('x', 1000), IF(i.seq <= 200, 0, \
             (SELECT COUNT(*) FROM seq_1_to_100000 a WHERE a.seq % 7 < i.seq)) FROM seq_1_to_500 i"
        }
        _ => {
            "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 500) \
             SELECT i AS slowing, printf('%01000d', i), CASE WHEN i <= 200 THEN 0 ELSE (WITH RECURSIVE c(k) AS \
             (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < 100000) SELECT count(*) FROM c WHERE k % 7 < i) END FROM s"
        }
    }
}

/// A server with the source `db`, which is the demo's file when there is no database, and the server `db` with the built-in
/// tools on it.
async fn with_source(database: Option<&Server>) -> TestServer {
    let server = TestServer::start().await;
    let owner = server.owner();
    let sqlite = || json!({"name": "db", "connection": {"sqlite": {"path": "flights.sqlite"}}});
    let mut source = database.map_or_else(sqlite, |database| database.source("db"));
    source["allow_raw"] = json!(true);
    owner.register(&source).await;
    let tools = json!({"name": "db", "sources": ["db"], "builtins": ["run_sql", "list_tables", "describe_table"]});
    owner.post("/v1/servers", &tools).await.expect(201);
    owner.raw("db", "SELECT 1 AS one").await.expect(200);
    server
}

/// The numbers of the rows that came.
fn numbers(rows: &Json) -> Vec<i64> {
    rows.as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
}

async fn the_rows_that_came_in_time_are_an_answer(kind: &str, database: Option<&Server>) {
    let server = with_source(database).await;
    let owner = server.owner();
    let body = json!({"source": "db", "sql": slowing(kind), "limits": {"time_ms": 900}});
    let page = owner.post("/v1/execute/raw", &body).await.expect(200);
    assert_eq!(page["truncated"], "time", "{}", page["row_count"]);
    let came = numbers(&page["rows"]);
    let count = came.len() as i64;
    assert!((QUICK - 50..500).contains(&count), "{count}");
    assert_eq!(came, (1..=count).collect::<Vec<_>>());
    assert_eq!(page["row_count"], count);
    let stored = owner.newest().await;
    assert_eq!(
        (&stored["outcome"], &stored["truncated"], &stored["rows"]),
        (&json!("truncated"), &json!("time"), &json!(count))
    );

    // The cursor goes on behind the last row that came.
    let go_on = json!({"source": "db", "sql": slowing(kind), "cursor": page["next_cursor"], "limits": {"rows": 2}});
    let next = owner.post("/v1/execute/raw", &go_on).await.expect(200);
    assert_eq!(numbers(&next["rows"]), [count + 1, count + 2]);

    // A stream says it in its last line, a tool in its result.
    let streamed = owner.send(Method::POST, "/v1/execute/raw?format=ndjson", &[], Some(body.to_string())).await;
    let last: Json = serde_json::from_str(streamed.text.lines().last().unwrap()).unwrap();
    let lines = streamed.text.lines().count() as u64;
    assert_eq!((&last["tidegate"]["truncated"], &last["tidegate"]["row_count"]), (&json!("time"), &json!(lines - 1)));
    assert!(last["tidegate"]["next_cursor"].is_string());
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "run_sql", "arguments": {"sql": slowing(kind)}}});
    let headers = [("content-type", "application/json"), ("x-request-timeout", "900")];
    let told = owner.send(Method::POST, "/t/demo/mcp/db", &headers, Some(call.to_string())).await.expect(200);
    let told = &told["result"]["structuredContent"];
    assert_eq!(told["truncated"], "time");
    assert!(told["next_cursor"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_that_came_in_time_are_an_answer_of_postgres() {
    the_rows_that_came_in_time_are_an_answer("postgres", Some(test_servers::postgres())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_that_came_in_time_are_an_answer_of_mariadb() {
    the_rows_that_came_in_time_are_an_answer("mysql", Some(test_servers::mariadb())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_that_came_in_time_are_an_answer_of_sqlite() {
    the_rows_that_came_in_time_are_an_answer("sqlite", None).await;
}

/// A statement that runs for hours, on any source.
const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
                       SELECT count(*) FROM n a, n b, n c, n d WHERE a.i + b.i + c.i + d.i < 0";

/// The newest execution that was cancelled, if it came over this server's endpoint or none, and is none of these.
async fn cancelled(owner: &Client, server: Option<&str>, seen: &[Json]) -> Option<Json> {
    let newest = owner.get("/v1/executions?outcome=cancelled&limit=1").await.expect(200)["items"][0].clone();
    let is_it = newest["server"] == json!(server) && newest["id"].is_string() && !seen.contains(&newest["id"]);
    is_it.then_some(newest)
}

async fn a_caller_that_leaves_leaves_a_record(kind: &str, database: Option<&Server>) {
    let server = with_source(database).await;
    let owner = server.owner();
    let body = json!({"source": "db", "sql": slowing(kind)});

    // Amid a stream: with the rows and bytes that there were until then.
    let url = format!("{}/v1/execute/raw?format=ndjson", server.server.base_url());
    let request = reqwest::Client::new().post(url).bearer_auth(server.server.api_key().expose_secret());
    let mut response = request.body(body.to_string()).send().await.unwrap();
    let chunk = response.chunk().await.unwrap().unwrap();
    assert!(chunk.starts_with(b"{\"slowing\":1,"));
    drop(response);
    let stored = found("the record of a stream", PATIENCE, async || cancelled(&owner, None, &[]).await).await;
    assert_eq!((&stored["outcome"], &stored["error"]), (&json!("error"), &json!("cancelled")));
    let (rows, bytes) = (stored["rows"].as_u64().unwrap(), stored["bytes"].as_u64().unwrap());
    assert!((20..500).contains(&rows) && bytes >= 1000 * rows && bytes < 1500 * rows, "{stored:#}");
    let timing = &stored["timing"];
    assert!(timing["first_row_us"].is_u64() && timing["rows_us"].is_null(), "{timing}");

    // Before the answer, over REST and MCP.
    let path = "/t/demo/mcp/db";
    let mut seen = vec![stored["id"].clone()];
    for server in [None, Some("db")] {
        let call = async || match server {
            None => owner.raw("db", ENDLESS).await,
            Some(_) => {
                let tool = json!({"name": "run_sql", "arguments": {"sql": ENDLESS}});
                owner.mcp_legacy(path, "tools/call", tool).await
            }
        };
        // Who leaves before the statement runs leaves no record, so each caller waits longer than the one before.
        let mut wait = Duration::from_millis(100);
        let left = found("the record of who left", PATIENCE, async || {
            wait *= 2;
            assert!(tokio::time::timeout(wait, call()).await.is_err(), "it ended");
            cancelled(&owner, server, &seen).await
        });
        seen.push(left.await["id"].clone());
    }
    // What came to its end has one record, of its end.
    let short = json!({"source": "db", "sql": "SELECT 1 AS one"});
    let answer = owner.post("/v1/execute/raw?format=ndjson", &short).await;
    let request = json!(answer.headers["x-request-id"].to_str().unwrap());
    let all = owner.get("/v1/executions").await.expect(200)["items"].take();
    let records: Vec<_> = all.as_array().unwrap().iter().filter(|it| it["request_id"] == request).collect();
    assert!(records.len() == 1 && records[0]["outcome"] == "ok", "{records:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_of_postgres_that_leaves_leaves_a_record() {
    a_caller_that_leaves_leaves_a_record("postgres", Some(test_servers::postgres())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_of_mariadb_that_leaves_leaves_a_record() {
    a_caller_that_leaves_leaves_a_record("mysql", Some(test_servers::mariadb())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_of_sqlite_that_leaves_leaves_a_record() {
    a_caller_that_leaves_leaves_a_record("sqlite", None).await;
}

/// The deadline of each question.
const TIMEOUT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_to_a_source_ends_at_the_callers_deadline() {
    let mut database = test_servers::own_postgres();
    let server = with_source(Some(&database)).await;
    let owner = server.owner();
    let query = json!({"name": "one", "description": "d", "source": "db", "statement": "SELECT 1 AS one"});
    owner.post("/v1/queries", &query).await.expect(201);
    database.freeze();

    let raw = json!({"source": "db", "sql": "SELECT 1 AS one"});
    for (method, path, body) in [
        (Method::POST, "/v1/sources/db/test", json!({})),
        (Method::GET, "/v1/sources/db/schemas", Json::Null),
        (Method::GET, "/v1/sources/db/schemas/public/tables", Json::Null),
        (Method::GET, "/v1/sources/db/schemas/public/tables/any", Json::Null),
        (Method::POST, "/v1/execute/one/explain", json!({})),
        (Method::POST, "/v1/execute/raw/explain", raw),
    ] {
        let ask = async |timeout| {
            owner.send(method.clone(), path, &[("x-request-timeout", timeout)], Some(body.to_string())).await
        };
        let began = Instant::now();
        ask("300").await.problem(504, "timeout");
        ended_at(TIMEOUT, began.elapsed(), path);
        ask("soon").await.problem(400, "invalid_request");
    }
    for (tool, arguments) in [
        ("list_tables", json!({})),
        ("describe_table", json!({"table": "any"})),
        ("run_sql", json!({"sql": "SELECT 1"})),
    ] {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                          "params": {"name": tool, "arguments": arguments}});
        let headers = [("content-type", "application/json"), ("x-request-timeout", "300")];
        let began = Instant::now();
        let told = owner.send(Method::POST, "/t/demo/mcp/db", &headers, Some(call.to_string())).await.expect(200);
        ended_at(TIMEOUT, began.elapsed(), tool);
        assert!(told["result"]["content"][0]["text"].as_str().unwrap().starts_with("timeout: "), "{told:#}");
    }
    // A key's own limit holds for them too.
    let key = json!({"name": "hasty", "role": "editor", "limits": {"time_ms": 300}});
    let hasty = server.with_key(owner.post("/v1/keys", &key).await.expect(201)["key"].as_str().unwrap());
    let began = Instant::now();
    hasty.get("/v1/sources/db/schemas").await.problem(504, "timeout");
    ended_at(TIMEOUT, began.elapsed(), "a call with a hasty key");
    database.thaw();
}
