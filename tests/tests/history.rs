//! The history of executions, running them again, and plans.

use serde_json::{Value as Json, json};
use sqlx::Connection as _;
use test_servers::Server;
use tests::{Client, TestServer, unique};

const SECRET: &str = "argument-that-nobody-keeps";

async fn define(owner: &Client, query: Json) {
    owner.post("/v1/queries", &query).await.expect(201);
}

/// A query that finds airlines by code.
fn find(name: &str, keep_arguments: bool) -> Json {
    json!({
        "name": name, "description": "finds an airline", "source": "flights", "keep_arguments": keep_arguments,
        "statement": "SELECT name FROM airlines WHERE carrier = {{ carrier }}",
        "parameters": [{"name": "carrier", "type": "string", "example": "UA"}],
    })
}

/// The items of a list, page by page.
async fn list(client: &Client, query: &str) -> Vec<Json> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for _ in 0..1_000 {
        let page = client.get(&format!("/v1/executions?{query}{cursor}")).await.expect(200);
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
    panic!("the list has no end");
}

#[tokio::test]
async fn an_execution_is_recorded_with_its_timing_and_without_its_arguments() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, find("find", false)).await;
    let answer = owner.run("find", json!({"carrier": SECRET})).await;
    answer.expect(200);
    let listed = owner.newest().await;
    let path = format!("/v1/executions/{}", listed["id"].as_str().unwrap());
    let read = owner.get(&path).await;
    assert_eq!(read.expect(200), listed);
    assert!(!read.text.contains(SECRET), "{}", read.text);
    assert_eq!(listed["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    assert_eq!((&listed["query"]["name"], &listed["query"]["revision"]), (&json!("find"), &json!(1)));
    assert_eq!((&listed["source"]["name"], &listed["outcome"]), (&json!("flights"), &json!("ok")));
    assert_eq!((&listed["rows"], &listed["error"], &listed["truncated"]), (&json!(0), &Json::Null, &Json::Null));
    assert_eq!(listed["fingerprint"].as_str().unwrap().len(), 16);
    assert!(listed["bytes"].as_u64().unwrap() > 0);
    let timing = &listed["timing"];
    let phases = ["prepare_us", "queue_us", "connect_us", "first_row_us", "rows_us", "encode_us"];
    let sum: u64 = phases.iter().map(|phase| timing[phase].as_u64().unwrap_or_else(|| panic!("{timing}"))).sum();
    assert!(sum > 0 && sum <= listed["elapsed_us"].as_u64().unwrap(), "{listed:#}");
    // The store has the record, and not the arguments.
    let has = |text: &str| {
        let files = std::fs::read_dir(server.folder.path()).unwrap().map(|file| file.unwrap().path());
        let mut contents = files.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap());
        contents.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    assert!(has(listed["fingerprint"].as_str().unwrap()) && !has(SECRET));
}

#[tokio::test]
async fn executions_are_found_by_what_they_were() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, find("find", false)).await;
    define(
        &owner,
        json!({"name": "all", "description": "d", "source": "flights", "statement": "SELECT * FROM airlines"}),
    )
    .await;
    let runner = server.with_role("a-runner", "runner", json!({})).await;
    for _ in 0..3 {
        owner.run("find", json!({"carrier": "UA"})).await.expect(200);
    }
    runner.run("all", json!({})).await.expect(200);
    let cut = json!({"limits": {"rows": 2}});
    runner.post("/v1/execute/all?format=ndjson", &cut).await;
    let broken = json!({"source": "flights", "sql": "SELECT * FROM no_such_table"});
    owner.post("/v1/execute/raw", &broken).await.problem(422, "database_error");

    let everything = list(&owner, "limit=1").await;
    assert_eq!(everything, list(&owner, "").await);
    assert_eq!(everything.len(), 6);
    assert!(everything.is_sorted_by(|one, next| one["id"].as_str() > next["id"].as_str()));
    let count = async |query: &str| list(&owner, &format!("limit=2&{query}")).await.len();
    let id = |what: &str, index: usize| everything[index][what]["id"].as_str().unwrap().to_owned();
    assert_eq!((count("query=find").await, count(&format!("query={}", id("query", 5))).await), (3, 3));
    assert_eq!((count("source=flights").await, count(&format!("source={}", id("source", 0))).await), (6, 6));
    assert_eq!((count("principal=a-runner").await, count(&format!("principal={}", id("principal", 1))).await), (2, 2));
    assert_eq!((count("outcome=ok").await, count("outcome=truncated").await), (4, 1));
    assert_eq!((count("outcome=error").await, count("outcome=database_error").await), (1, 1));
    assert_eq!((count("outcome=timeout").await, count("query=find&principal=a-runner").await), (0, 0));
    let ended = everything[3]["ended_at"].as_str().unwrap();
    assert_eq!(count(&format!("from={ended}")).await + count(&format!("to={ended}")).await, 6);
    assert_eq!(count("to=2020-01-01T00:00:00Z").await, 0);
    assert_eq!(count("from=2020-01-01T00:00:00%2B02:00").await, 6);

    owner.get("/v1/executions?query=no-such").await.problem(404, "not_found");
    owner.get("/v1/executions?outcome=good").await.problem(400, "invalid_argument");
    owner.get("/v1/executions?limit=101").await.problem(400, "invalid_argument");
    owner.get("/v1/executions?from=yesterday").await.problem(400, "invalid_request");
    owner.get("/v1/executions?cursor=x").await.problem(400, "invalid_cursor");
    owner.get("/v1/executions?principle=x").await.problem(400, "invalid_request");

    // What is gone has no name any more, and is still found by its id.
    let (query, version) = (id("query", 5), 1);
    owner.delete(&format!("/v1/queries/{query}"), version).await.expect(204);
    let gone = list(&owner, &format!("query={query}")).await;
    assert_eq!((gone.len(), gone[0]["query"].get("name")), (3, None));
}

#[tokio::test]
async fn executions_are_seen_by_those_who_may() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, find("find", true)).await;
    owner.run("find", json!({"carrier": "UA"})).await.expect(200);
    let theirs = owner.newest().await["id"].as_str().unwrap().to_owned();
    let viewer = server.with_role("a-viewer", "viewer", json!({})).await;
    assert_eq!(list(&viewer, "").await.len(), 1);
    viewer.get(&format!("/v1/executions/{theirs}")).await.expect(200);
    viewer.post(&format!("/v1/executions/{theirs}/rerun"), &Json::Null).await.problem(403, "forbidden");

    let narrowed = server.with_role("narrowed", "runner", json!({"queries": ["find"]})).await;
    assert!(list(&narrowed, "").await.is_empty());
    narrowed.get(&format!("/v1/executions/{theirs}")).await.problem(404, "not_found");
    narrowed.post(&format!("/v1/executions/{theirs}/rerun"), &Json::Null).await.problem(404, "not_found");
    narrowed.run("find", json!({"carrier": "AA"})).await.expect(200);
    let own = list(&narrowed, "").await;
    assert_eq!((own.len(), &own[0]["principal"]["name"]), (1, &json!("narrowed")));
    let own = own[0]["id"].as_str().unwrap();
    assert_eq!(narrowed.post(&format!("/v1/executions/{own}/rerun"), &Json::Null).await.expect(200)["row_count"], 1);
    assert_eq!(list(&narrowed, "principal=narrowed").await.len(), 2);
    let key = owner.newest().await["principal"]["id"].as_str().unwrap().to_owned();
    assert_eq!(list(&narrowed, &format!("principal={key}")).await.len(), 2);
    // Whether there are other keys or queries of these names is not told.
    for name in ["query=find-not", "principal=a-viewer", "principal=nobody", "query=busiest_routes"] {
        assert!(list(&narrowed, name).await.is_empty(), "{name}");
    }

    let other = server.with_key(&server.other_tenant("other").await);
    assert!(list(&other, "").await.is_empty());
    other.get(&format!("/v1/executions/{theirs}")).await.problem(404, "not_found");
    other.post(&format!("/v1/executions/{theirs}/rerun"), &Json::Null).await.problem(404, "not_found");
    owner.get("/v1/executions/x").await.problem(404, "not_found");
    owner.get("/v1/executions/0198a0a0-0000-7000-8000-000000000000").await.problem(404, "not_found");
}

#[tokio::test]
async fn an_execution_runs_again_with_the_arguments_that_were_kept() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, find("kept", true)).await;
    define(&owner, find("forgotten", false)).await;
    define(&owner, json!({"name": "none", "description": "d", "source": "flights", "statement": "SELECT 1 AS one"}))
        .await;
    let again = async |id: &str| owner.post(&format!("/v1/executions/{id}/rerun"), &Json::Null).await;
    let id = async || owner.newest().await["id"].as_str().unwrap().to_owned();

    owner.run("kept", json!({"carrier": "UA"})).await.expect(200);
    let kept = id().await;
    assert_eq!(owner.get(&format!("/v1/executions/{kept}")).await.expect(200)["arguments"], json!({"carrier": "UA"}));
    assert!(owner.newest().await.get("arguments").is_none(), "a list has no arguments");
    assert_eq!(again(&kept).await.expect(200)["rows"], json!([["United Air Lines Inc."]]));
    assert_ne!(id().await, kept);
    let csv = owner.post(&format!("/v1/executions/{kept}/rerun?format=csv"), &Json::Null).await;
    assert!(csv.text.contains("United"), "{}", csv.text);

    // It is the query as it is registered that runs, and arguments that do not fit it any more are refused.
    let mut changed = find("kept", true);
    changed["statement"] = json!("SELECT upper(name) AS name FROM airlines WHERE carrier = {{ carrier }}");
    owner.put("/v1/queries/kept", 1, &changed).await.expect(200);
    assert_eq!(again(&kept).await.expect(200)["rows"], json!([["UNITED AIR LINES INC."]]));
    changed["parameters"][0]["pattern"] = json!("^Z");
    changed["parameters"][0]["example"] = json!("ZZ");
    owner.put("/v1/queries/kept", 2, &changed).await.expect(200);
    again(&kept).await.problem(400, "invalid_argument");

    owner.run("kept", json!({"carrier": format!("Z{}", "x".repeat(5_000))})).await.expect(200);
    let problem = again(&id().await).await.problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("4 KiB"), "{problem}");
    owner.run("forgotten", json!({"carrier": "UA"})).await.expect(200);
    let problem = again(&id().await).await.problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("keep_arguments"), "{problem}");
    owner.run("none", json!({})).await.expect(200);
    assert_eq!(again(&id().await).await.expect(200)["rows"], json!([[1]]));
    owner.post("/v1/execute/raw", &json!({"source": "flights", "sql": "SELECT 1"})).await.expect(200);
    again(&id().await).await.problem(400, "invalid_request");
    owner.delete("/v1/queries/kept", 3).await.expect(204);
    again(&kept).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_plan_of_sqlite_is_a_tree_and_runs_nothing() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, find("find", false)).await;
    let add = json!({
        "name": "add", "description": "adds", "source": "flights", "mode": "write",
        "statement": "INSERT INTO airlines (carrier, name) SELECT {{ carrier }}, name FROM airlines WHERE carrier = 'UA'",
        "parameters": [{"name": "carrier", "type": "string", "example": "ZZ"}],
    });
    define(&owner, add).await;
    let explain = async |query: &str, arguments: Json| {
        owner.post(&format!("/v1/execute/{query}/explain"), &json!({"arguments": arguments})).await
    };
    let found = explain("find", json!({"carrier": "UA"})).await.expect(200);
    assert!(found["summary"].as_str().unwrap().contains("airlines"), "{found:#}");
    assert!(found["plan"][0]["detail"].is_string() && found["plan"][0]["children"].is_array(), "{found:#}");
    explain("find", json!({"carrier": 3})).await.problem(400, "invalid_argument");
    explain("nothing", json!({})).await.problem(404, "not_found");
    let written = explain("add", json!({"carrier": "ZZ"})).await.expect(200);
    assert!(written["summary"].as_str().unwrap().contains("airlines"), "{written:#}");
    assert_eq!(owner.run("find", json!({"carrier": "ZZ"})).await.expect(200)["row_count"], 0);
    assert_eq!(list(&owner, "").await.len(), 1, "what did not run is not in the history");

    let raw = async |client: &Client, sql: &str| {
        client.post("/v1/execute/raw/explain", &json!({"source": "flights", "sql": sql})).await
    };
    let summary = raw(&owner, "SELECT * FROM flights ORDER BY distance -- all").await.expect(200)["summary"].clone();
    assert!(summary.as_str().unwrap().starts_with("SCAN flights\nUSE TEMP B-TREE FOR ORDER BY"), "{summary}");
    raw(&owner, "DELETE FROM airlines").await.problem(403, "statement_not_allowed");
    raw(&owner, "SELECT 1; DELETE FROM airlines").await.problem(422, "invalid_statement");
    let absent = raw(&owner, "SELECT 1\nFROM no_such_table").await.problem(422, "database_error");
    assert!(!absent["detail"].as_str().unwrap().contains("EXPLAIN"), "{absent}");

    let runner = server.with_role("a-runner", "runner", json!({})).await;
    raw(&runner, "SELECT 1").await.problem(403, "forbidden");
    runner.post("/v1/execute/add/explain", &json!({"arguments": {"carrier": "ZZ"}})).await.problem(403, "forbidden");
    runner.post("/v1/execute/find/explain", &json!({"arguments": {"carrier": "ZZ"}})).await.expect(200);
    let viewer = server.with_role("a-viewer", "viewer", json!({})).await;
    viewer.post("/v1/execute/find/explain", &json!({"arguments": {"carrier": "ZZ"}})).await.problem(403, "forbidden");
    let narrowed = server.with_role("narrowed", "runner", json!({"queries": ["find"]})).await;
    narrowed.post("/v1/execute/busiest_routes/explain", &json!({})).await.problem(404, "not_found");
}

/// Explains reads and writes of a table on a server, and looks whether anything was written.
async fn explains(kind: &str, server: &Server) {
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let mut source = server.source("db");
    source["allow_raw"] = json!(true);
    owner.register(&source).await;
    let table = unique("explained_");
    let setup = [
        format!("CREATE TABLE {table} (id integer PRIMARY KEY, name varchar(20) NOT NULL)"),
        format!("INSERT INTO {table} VALUES (1, 'one'), (2, 'two'), (3, 'three')"),
    ];
    for statement in setup {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        if kind == "mysql" {
            statement.execute(&mut sqlx::MySqlConnection::connect(&server.url()).await.unwrap()).await.unwrap();
        } else {
            statement.execute(&mut sqlx::PgConnection::connect(&server.url()).await.unwrap()).await.unwrap();
        }
    }
    let parameters =
        json!([{"name": "id", "type": "integer", "example": 1}, {"name": "name", "type": "string", "example": "x"}]);
    let queries = [
        ("by_key", "read", format!("SELECT name FROM {table} WHERE id = {{{{ id }}}} AND name <> {{{{ name }}}}")),
        (
            "by_name",
            "read",
            format!("SELECT id FROM {table} WHERE name = {{{{ name }}}} OR id + 0 = {{{{ id }}}} ORDER BY name"),
        ),
        ("insert", "write", format!("INSERT INTO {table} (id, name) VALUES ({{{{ id }}}}, {{{{ name }}}})")),
        ("update", "write", format!("UPDATE {table} SET name = {{{{ name }}}} WHERE id >= {{{{ id }}}}")),
        ("delete", "write", format!("DELETE FROM {table} WHERE id >= {{{{ id }}}} AND name <> {{{{ name }}}}")),
    ];
    for (name, mode, statement) in queries {
        define(&owner, json!({"name": name, "description": "d", "source": "db", "mode": mode, "statement": statement, "parameters": parameters})).await;
        let body = json!({"arguments": {"id": 1, "name": "changed"}});
        let explained = owner.post(&format!("/v1/execute/{name}/explain"), &body).await.expect(200);
        let summary = explained["summary"].as_str().unwrap();
        assert!(summary.contains(&table), "{name}: {explained:#}");
        if name != "insert" {
            assert!(summary.contains("row"), "{name}: {explained:#}");
        }
        assert!(explained["plan"].is_array() || explained["plan"].is_object());
    }
    let raw = async |route: &str, sql: String| {
        owner.post(&format!("/v1/execute/raw{route}"), &json!({"source": "db", "sql": sql})).await
    };
    let rows = raw("", format!("SELECT id, name FROM {table} ORDER BY id")).await.expect(200);
    assert_eq!(rows["rows"], json!([[1, "one"], [2, "two"], [3, "three"]]));
    raw("/explain", format!("SELECT count(*) FROM {table} -- a comment")).await.expect(200);
    raw("/explain", format!("DELETE FROM {table}")).await.problem(403, "statement_not_allowed");
    let absent = raw("/explain", "SELECT 1\nFROM no_such_table".to_owned()).await.problem(422, "database_error");
    assert!(absent["detail"].as_str().unwrap().contains("no_such_table"), "{absent}");
    if kind == "postgres" {
        assert_eq!((&absent["errors"][0]["line"], &absent["errors"][0]["column"]), (&json!(2), &json!(6)), "{absent}");
    }
    // The session went back as it was: it goes on to read and to write.
    owner.run("insert", json!({"id": 4, "name": "four"})).await.expect(200);
    let timing = &owner.newest().await["timing"];
    assert!(
        ["queue_us", "connect_us", "first_row_us", "rows_us", "encode_us"].iter().all(|phase| timing[phase].is_u64()),
        "{timing}"
    );
}

#[tokio::test]
async fn a_plan_of_postgres_runs_nothing() {
    explains("postgres", test_servers::postgres()).await;
}

#[tokio::test]
async fn a_plan_of_mariadb_runs_nothing() {
    explains("mysql", test_servers::mariadb()).await;
}
