//! Running queries over HTTP: formats, pages, budgets, bad input.

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{Client, TestServer};

async fn define(owner: &Client, name: &str, statement: &str, more: Json) {
    let mut spec = json!({"name": name, "description": "d", "source": "flights", "statement": statement});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    owner.post("/v1/queries", &spec).await.expect(201);
}

const ODD: &str = "SELECT 1 AS n, 'a|b\"c,d' AS t, NULL AS missing, 9007199254740993 AS big, 0.5 AS f";

#[tokio::test]
async fn a_result_comes_in_every_format() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, "odd", ODD, json!({})).await;
    let json_answer = owner.run("odd", json!({})).await.expect(200);
    assert_eq!(json_answer["rows"], json!([[1, "a|b\"c,d", null, "9007199254740993", 0.5]]));
    assert_eq!((&json_answer["row_count"], &json_answer["truncated"]), (&json!(1), &Json::Null));
    assert_eq!(json_answer["columns"][1]["name"], "t");
    assert!(json_answer["elapsed_ms"].as_f64().unwrap() > 0.0);

    let body = || Some("{}".to_owned());
    let objects = owner.send(Method::POST, "/v1/execute/odd?format=objects", &[], body()).await.expect(200);
    assert_eq!(objects["rows"][0]["t"], "a|b\"c,d");
    let csv = owner.send(Method::POST, "/v1/execute/odd", &[("accept", "text/csv")], body()).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(csv.text, "n,t,missing,big,f\r\n1,\"a|b\"\"c,d\",,9007199254740993,0.5\r\n");
    let markdown = owner.send(Method::POST, "/v1/execute/odd", &[("accept", "text/markdown")], body()).await;
    assert_eq!(markdown.text.lines().nth(2).unwrap(), "| 1 | a\\|b\"c,d |  | 9007199254740993 | 0.5 |");
    let ndjson = owner.send(Method::POST, "/v1/execute/odd?format=ndjson", &[], body()).await;
    assert_eq!(ndjson.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Json> = ndjson.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["n"], 1);
    assert_eq!(lines[1]["tidegate"]["row_count"], 1);

    owner.send(Method::POST, "/v1/execute/odd?format=xml", &[], body()).await.problem(400, "invalid_request");
    let unfit = owner.send(Method::POST, "/v1/execute/odd", &[("accept", "image/png")], body()).await;
    unfit.problem(400, "invalid_request");
}

async fn pages(owner: &Client, query: &str, limits: Json) -> Vec<Json> {
    let mut rows = Vec::new();
    let mut cursor = Json::Null;
    for _ in 0..100 {
        let body = json!({"cursor": cursor, "limits": limits});
        let page = owner.post(&format!("/v1/execute/{query}"), &body).await.expect(200);
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            assert_eq!(page["truncated"], Json::Null);
            return rows;
        }
    }
    panic!("the pages of {query} do not end");
}

const SERIES: &str =
    "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 25) SELECT n, n % 3 AS m FROM s";

#[tokio::test]
async fn pages_join_to_the_whole_by_offset_by_skipping_and_by_key() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, "by_offset", &format!("{SERIES} ORDER BY n -- a comment"), json!({})).await;
    define(&owner, "by_skipping", &format!("{SERIES} ORDER BY n LIMIT 23;"), json!({})).await;
    let order = json!({"order": [{"column": "m", "direction": "desc"}, {"column": "n"}]});
    define(&owner, "by_key", SERIES, order).await;
    let limits = json!({"rows": 4});
    let numbers = |rows: Vec<Json>| rows.iter().map(|row| row[0].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers(pages(&owner, "by_offset", limits.clone()).await), (1..=25).collect::<Vec<_>>());
    assert_eq!(numbers(pages(&owner, "by_skipping", limits.clone()).await), (1..=23).collect::<Vec<_>>());
    let mut expected: Vec<i64> = (1..=25).collect();
    expected.sort_by_key(|n| (-(n % 3), *n));
    assert_eq!(numbers(pages(&owner, "by_key", limits).await), expected);
    // The byte budget ends pages too, and loses no row.
    assert_eq!(numbers(pages(&owner, "by_offset", json!({"bytes": 400})).await), (1..=25).collect::<Vec<_>>());
}

#[tokio::test]
async fn budgets_cut_and_say_so() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, "wide", "SELECT hex(zeroblob(200000)) AS x, 1 AS n", json!({})).await;
    let cut = owner.run("wide", json!({})).await.expect(200);
    assert_eq!((&cut["truncated"], &cut["next_cursor"]), (&json!("cells"), &Json::Null));
    let cell = cut["rows"][0][0].as_str().unwrap();
    assert!(cell.ends_with("[cut, 400000 bytes in all]") && cell.len() < 66_000, "{}", cell.len());
    let limits = json!({"limits": {"bytes": 100}});
    owner.post("/v1/execute/wide", &limits).await.problem(422, "limit_exceeded");

    let endless = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT max(n) AS m FROM s";
    define(&owner, "endless", endless, json!({})).await;
    let limits = json!({"limits": {"time_ms": 200}});
    owner.post("/v1/execute/endless", &limits).await.problem(504, "timeout");
    owner.run("wide", json!({})).await.expect(200);
    // A caller lowers limits and never raises them.
    define(&owner, "few", SERIES, json!({"limits": {"rows": 3}})).await;
    let more = owner.post("/v1/execute/few", &json!({"limits": {"rows": 1000}})).await.expect(200);
    assert_eq!((&more["row_count"], &more["truncated"]), (&json!(3), &json!("rows")));
}

#[tokio::test]
async fn a_cursor_works_where_it_was_given_and_nowhere_else() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let parameters = json!({"parameters": [{"name": "least", "type": "integer", "default": 0}]});
    let statement = format!("{SERIES} WHERE n > {{{{ least }}}} ORDER BY n");
    define(&owner, "first", &statement, parameters.clone()).await;
    define(&owner, "second", &statement, parameters).await;
    let page = owner.post("/v1/execute/first", &json!({"limits": {"rows": 2}})).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();

    let go_on = json!({"cursor": cursor});
    owner.post("/v1/execute/first", &go_on).await.expect(200);
    owner.post("/v1/execute/second", &go_on).await.problem(400, "invalid_cursor");
    let other_arguments = json!({"cursor": cursor, "arguments": {"least": 1}});
    owner.post("/v1/execute/first", &other_arguments).await.problem(400, "invalid_cursor");
    let edited = format!("{}{}", if cursor.starts_with('A') { 'B' } else { 'A' }, &cursor[1..]);
    owner.post("/v1/execute/first", &json!({"cursor": edited})).await.problem(400, "invalid_cursor");
    let stored = owner.get("/v1/queries/first").await.expect(200);
    let spec = json!({"name": "first", "description": "changed", "source": "flights", "statement": statement,
                      "parameters": stored["parameters"]});
    owner.put("/v1/queries/first", 1, &spec).await.expect(200);
    owner.post("/v1/execute/first", &go_on).await.problem(400, "invalid_cursor");
}

#[tokio::test]
async fn arguments_are_checked_all_at_once() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let parameters = json!({"parameters": [
        {"name": "carrier", "type": "string", "max_length": 2},
        {"name": "year", "type": "integer", "minimum": 2013, "maximum": 2013},
        {"name": "sort", "type": "enum", "enum": ["carrier", "name"], "default": "name"},
    ]});
    let statement = "SELECT carrier, name FROM airlines WHERE carrier = {{ carrier }} AND 2013 = {{ year }} ORDER BY {{ sort | ident }}";
    define(&owner, "checked", statement, parameters).await;
    let problem =
        owner.run("checked", json!({"carier": "UA", "year": 1999, "sort": "x"})).await.problem(400, "invalid_argument");
    let faults = problem["errors"].as_array().unwrap();
    let of = |field: &str| {
        faults.iter().find(|fault| fault["field"] == field).map(|fault| fault["message"].as_str().unwrap())
    };
    assert!(of("carier").unwrap().contains("carrier"), "{problem:#}");
    assert!(of("carrier").is_some() && of("year").unwrap().contains("2013") && of("sort").is_some(), "{problem:#}");
    let fits = owner.run("checked", json!({"carrier": "UA", "year": 2013})).await.expect(200);
    assert_eq!(fits["rows"], json!([["UA", "United Air Lines Inc."]]));
    for wrong in [json!("2013"), json!(2013.5), json!([2013]), json!(null), json!(true)] {
        owner.run("checked", json!({"carrier": "UA", "year": wrong})).await.problem(400, "invalid_argument");
    }
    // A value is a value whatever it looks like.
    let quote = owner.run("checked", json!({"carrier": "';", "year": 2013})).await.expect(200);
    assert_eq!(quote["rows"], json!([]));
}

#[tokio::test]
async fn bodies_that_cannot_be_read_say_where() {
    let server = TestServer::start().await;
    let owner = server.owner();
    define(&owner, "any", "SELECT 1 AS one", json!({})).await;
    let post = async |body: String| owner.send(Method::POST, "/v1/execute/any", &[], Some(body)).await;
    let malformed = post("{\"arguments\": }".into()).await.problem(400, "invalid_request");
    assert_eq!(malformed["errors"][0]["column"], 15);
    let unknown = post("{\"argumnets\": {}}".into()).await.problem(400, "invalid_request");
    assert!(unknown["detail"].as_str().unwrap().contains("did you mean `arguments`"), "{unknown}");
    post("[]".into()).await.problem(400, "invalid_request");
    post("{\"arguments\": 3}".into()).await.problem(400, "invalid_request");
    let large = format!("{{\"arguments\": {{\"x\": \"{}\"}}}}", "x".repeat(10 << 20));
    post(large).await.problem(413, "payload_too_large");
    owner.run("no_such", json!({})).await.problem(404, "not_found");
    for path in ["/v1/queries/%FF", "/v1/sources/flights/schemas/%FF/tables"] {
        owner.get(path).await.problem(400, "invalid_request");
    }
    owner.get("/v1/nothing/here").await.problem(404, "not_found");
    assert_eq!(
        owner.send(Method::PATCH, "/v1/queries", &[], None).await.problem(405, "invalid_request")["status"],
        405
    );
}

#[tokio::test]
async fn raw_sql_reads_where_the_source_allows_it() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let raw = async |sql: &str| owner.post("/v1/execute/raw", &json!({"source": "flights", "sql": sql})).await;
    assert_eq!(raw("SELECT count(*) AS n FROM airlines").await.expect(200)["rows"], json!([[16]]));
    for sql in
        ["DELETE FROM airlines", "SELECT 1; DELETE FROM airlines", "ATTACH 'x' AS y", "PRAGMA writable_schema = 1"]
    {
        let answer = raw(sql).await;
        assert!(
            ["statement_not_allowed", "invalid_statement"].contains(&answer.json()["code"].as_str().unwrap()),
            "{sql}: {}",
            answer.text
        );
    }
    assert_eq!(raw("SELECT count(*) AS n FROM airlines").await.expect(200)["rows"], json!([[16]]));
    assert_eq!(raw("VALUES (1), (2)").await.expect(200)["rows"], json!([[1], [2]]));
    raw("SELECT * FROM no_such_table").await.problem(422, "database_error");
    let cut = owner
        .post(
            "/v1/execute/raw",
            &json!({"source": "flights", "sql": "SELECT carrier FROM airlines ORDER BY 1", "limits": {"rows": 10}}),
        )
        .await
        .expect(200);
    let rest = owner
        .post("/v1/execute/raw", &json!({"source": "flights", "sql": "SELECT carrier FROM airlines ORDER BY 1", "cursor": cut["next_cursor"]}))
        .await
        .expect(200);
    assert_eq!(rest["row_count"], 6);

    let closed = json!({"name": "closed", "connection": {"sqlite": {"path": "flights.sqlite"}}});
    owner.register(&closed).await;
    owner.post("/v1/execute/raw", &json!({"source": "closed", "sql": "SELECT 1"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_query_that_writes_says_so_and_needs_an_editor() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let statement = "INSERT INTO airlines (carrier, name) VALUES ({{ carrier }}, {{ name }})";
    let parameters = json!([{"name": "carrier", "type": "string", "example": "ZZ"}, {"name": "name", "type": "string", "example": "Zulu"}]);
    let mut spec = json!({"name": "add", "description": "d", "source": "flights", "statement": statement, "parameters": parameters});
    owner.post("/v1/queries", &spec).await.problem(403, "statement_not_allowed");
    spec["mode"] = json!("write");
    owner.post("/v1/queries", &spec).await.expect(201);
    let runner = server.with_role("runner", "runner", json!({})).await;
    runner.run("add", json!({"carrier": "ZZ", "name": "Zulu"})).await.problem(403, "forbidden");
    let done = owner.run("add", json!({"carrier": "ZZ", "name": "Zulu"})).await.expect(200);
    assert_eq!(done["rows"], json!([[1]]));
    owner.run("add", json!({"carrier": "ZZ", "name": "Zulu"})).await.problem(422, "database_error");
}

#[tokio::test]
async fn sqlite_files_that_are_none_say_so() {
    let server = TestServer::start().await;
    let owner = server.owner();
    std::fs::write(
        server.folder.path().join("text.sqlite"),
        "this is not a database, though it is long enough to be read as one".repeat(20),
    )
    .unwrap();
    for (name, path) in [("missing", "no-such.sqlite"), ("text", "text.sqlite")] {
        owner.register(&json!({"name": name, "connection": {"sqlite": {"path": path}}})).await;
        let problem =
            owner.post(&format!("/v1/sources/{name}/test"), &json!({})).await.problem(502, "source_unavailable");
        assert!(problem["detail"].as_str().unwrap().contains(path), "{problem}");
    }
    assert_eq!(owner.post("/v1/sources/flights/test", &json!({})).await.expect(200)["product"], "SQLite");
}

#[tokio::test]
async fn a_template_with_an_error_is_not_saved_and_says_where() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let parameter = json!([{"name": "carrier", "type": "string", "example": "UA"}]);
    let cases = [
        ("SELECT *\nFROM airlines WHERE carrier = {{ carier }}", 2, "carrier"),
        ("SELECT 1", 1, "carrier"),
        ("SELECT * FROM airlines WHERE carrier = '{{ carrier }}'", 1, "quot"),
        ("SELECT {{ carrier | nope }}", 1, "nope"),
        ("{% set x %}DROP{% endset %}SELECT {{ x }}, {{ carrier }}", 1, ""),
        ("SELECT {{ carrier | safe }}", 1, "safe"),
        ("SELECT {% if carrier %} 1", 1, ""),
    ];
    for (statement, line, word) in cases {
        let spec = json!({"name": "bad", "description": "d", "source": "flights", "statement": statement, "parameters": parameter});
        let problem = owner.post("/v1/queries", &spec).await.problem(422, "invalid_template");
        let fault = &problem["errors"][0];
        assert!(fault["message"].as_str().unwrap().contains(word), "{statement}: {problem:#}");
        if statement != "SELECT 1" {
            assert_eq!(fault["line"], line, "{statement}: {problem:#}");
            assert!(fault["column"].as_u64().unwrap() >= 1);
        }
    }
    let unparsable = json!({"name": "bad", "description": "d", "source": "flights", "statement": "SELEC 1"});
    owner.post("/v1/queries", &unparsable).await.problem(422, "invalid_statement");
}
