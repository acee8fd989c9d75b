//! How calls end before their statements do: their time is over, or their caller has gone.

use std::time::{Duration, Instant};

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use test_servers::Server;
use tests::{Client, TestServer};

/// How long anything here may take that has no tighter bound.
const PATIENCE: Duration = Duration::from_secs(15);

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

/// A server with the source `db` of this kind, and the server `db` with the built-in tools on it.
async fn with_source(kind: &str, database: Option<&Server>) -> TestServer {
    let server = TestServer::start().await;
    let owner = server.owner();
    let connection = database.map_or_else(
        || json!({"sqlite": {"path": "flights.sqlite"}}),
        |it| {
            json!({kind: {"host": it.host, "port": it.port, "database": it.database, "user": it.user,
                             "tls": {"mode": "off"}}})
        },
    );
    let credentials = database.map(|it| json!({"password": it.password}));
    let source = json!({"name": "db", "connection": connection, "credentials": credentials, "allow_raw": true});
    owner.post("/v1/sources", &source).await.expect(201);
    let tools = json!({"name": "db", "sources": ["db"], "builtins": ["run_sql", "list_tables", "describe_table"]});
    owner.post("/v1/servers", &tools).await.expect(201);
    owner.post("/v1/execute/raw", &json!({"source": "db", "sql": "SELECT 1 AS one"})).await.expect(200);
    server
}

/// The numbers of the rows that came.
fn numbers(rows: &Json) -> Vec<i64> {
    rows.as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
}

async fn newest(owner: &Client) -> Json {
    owner.get("/v1/executions?limit=1").await.expect(200)["items"][0].clone()
}

async fn the_rows_that_came_in_time_are_an_answer(kind: &str, database: Option<&Server>) {
    let server = with_source(kind, database).await;
    let owner = server.owner();
    let body = json!({"source": "db", "sql": slowing(kind), "limits": {"time_ms": 900}});
    let page = owner.post("/v1/execute/raw", &body).await.expect(200);
    assert_eq!(page["truncated"], "time", "{}", page["row_count"]);
    let came = numbers(&page["rows"]);
    let count = came.len() as i64;
    assert!((QUICK - 50..500).contains(&count), "{count}");
    assert_eq!(came, (1..=count).collect::<Vec<_>>());
    assert_eq!(page["row_count"], count);
    let stored = newest(&owner).await;
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

/// The one execution that was cancelled after `seen` others were.
async fn cancelled(owner: &Client, seen: usize) -> Json {
    let began = Instant::now();
    loop {
        let found = owner.get("/v1/executions?outcome=cancelled").await.expect(200)["items"].take();
        match found.as_array().unwrap().as_slice() {
            [newest, others @ ..] if others.len() == seen => return newest.clone(),
            _ => assert!(began.elapsed() < PATIENCE, "no record of the call: {found:#}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_caller_that_leaves_leaves_a_record(kind: &str, database: Option<&Server>) {
    let server = with_source(kind, database).await;
    let owner = server.owner();
    let body = json!({"source": "db", "sql": slowing(kind)});

    // Amid a stream: with the rows and bytes that there were until then.
    let url = format!("{}/v1/execute/raw?format=ndjson", server.server.base_url());
    let request = reqwest::Client::new().post(url).bearer_auth(server.server.api_key().expose_secret());
    let mut response = request.body(body.to_string()).send().await.unwrap();
    let chunk = response.chunk().await.unwrap().unwrap();
    assert!(chunk.starts_with(b"{\"slowing\":1,"));
    let left = Instant::now();
    drop(response);
    let stored = cancelled(&owner, 0).await;
    assert!(left.elapsed() < Duration::from_secs(2), "{:?}", left.elapsed());
    assert_eq!((&stored["outcome"], &stored["error"]), (&json!("error"), &json!("cancelled")));
    let (rows, bytes) = (stored["rows"].as_u64().unwrap(), stored["bytes"].as_u64().unwrap());
    assert!((20..500).contains(&rows) && bytes >= 1000 * rows && bytes < 1500 * rows, "{stored:#}");
    let timing = &stored["timing"];
    assert!(timing["first_row_us"].is_u64() && timing["rows_us"].is_null(), "{timing}");

    // Before the answer, over REST and MCP.
    let path = "/t/demo/mcp/db";
    for (seen, way) in [(1, "rest"), (2, "mcp")] {
        let tool = json!({"name": "run_sql", "arguments": {"sql": slowing(kind)}});
        let call = async {
            match way {
                "rest" => owner.post("/v1/execute/raw", &body).await,
                _ => owner.mcp_legacy(path, "tools/call", tool).await,
            }
        };
        // It is under way for hundreds of milliseconds at least, and is left in the midst of that.
        assert!(tokio::time::timeout(Duration::from_millis(400), call).await.is_err(), "{way}");
        let stored = cancelled(&owner, seen).await;
        assert_eq!(stored["server"], if way == "mcp" { json!("db") } else { Json::Null }, "{stored:#}");
        assert!(stored["rows"].as_u64().unwrap() < 500, "{stored:#}");
    }
    // What came to its end has one record, of its end.
    let short = json!({"source": "db", "sql": "SELECT 1 AS one"});
    owner.post("/v1/execute/raw?format=ndjson", &short).await;
    assert_eq!(newest(&owner).await["outcome"], "ok");
    cancelled(&owner, 2).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_to_a_source_ends_at_the_callers_deadline() {
    let mut database = test_servers::own_postgres();
    let server = with_source("postgres", Some(&database)).await;
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
        let took = began.elapsed();
        assert!(took > Duration::from_millis(250) && took < Duration::from_millis(1200), "{path}: {took:?}");
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
        let took = began.elapsed();
        assert!(told["result"]["content"][0]["text"].as_str().unwrap().starts_with("timeout: "), "{told:#}");
        assert!(took > Duration::from_millis(250) && took < Duration::from_millis(1200), "{tool}: {took:?}");
    }
    // A key's own limit holds for them too.
    let key = json!({"name": "hasty", "role": "editor", "limits": {"time_ms": 300}});
    let hasty = server.with_key(owner.post("/v1/keys", &key).await.expect(201)["key"].as_str().unwrap());
    let began = Instant::now();
    hasty.get("/v1/sources/db/schemas").await.problem(504, "timeout");
    assert!(began.elapsed() < Duration::from_millis(1200), "{:?}", began.elapsed());
    database.thaw();
}
