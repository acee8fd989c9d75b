//! Revisions of queries: drafts, publishing, the way back, what differs, and what is deprecated.

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{Answer, Client, PATIENCE, TestServer, found};

fn query(statement: &str) -> Json {
    json!({"name": "codes", "description": "airlines by code", "source": "flights", "statement": statement})
}

const BY_CODE: &str = "SELECT carrier FROM airlines ORDER BY carrier";
const BY_NAME: &str = "SELECT carrier FROM airlines ORDER BY name";

async fn publish(client: &Client, version: u64, body: Json) -> Answer {
    let if_match = format!("\"{version}\"");
    client.send(Method::POST, "/v1/queries/codes/publish", &[("if-match", &if_match)], Some(body.to_string())).await
}

/// The first cell of what runs.
async fn first(client: &Client) -> Json {
    client.run("codes", json!({})).await.expect(200)["rows"][0][0].clone()
}

/// The tools of the server `desk`, with their descriptions.
async fn tools(client: &Client) -> Vec<(String, String)> {
    let listed = client.mcp_modern("/t/demo/mcp/desk", "tools/list", json!({})).await.expect(200);
    let tools = listed["result"]["tools"].as_array().unwrap().iter();
    let text = |tool: &Json, field: &str| tool[field].as_str().unwrap().to_owned();
    tools.map(|tool| (text(tool, "name"), text(tool, "description"))).collect()
}

#[tokio::test]
async fn a_draft_changes_nothing_that_runs_until_it_is_published_and_an_older_revision_is_the_way_back() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let made = owner.post("/v1/queries", &query(BY_CODE)).await.expect(201);
    assert_eq!((&made["revision"], &made["draft"], &made["warnings"]), (&json!(1), &Json::Null, &json!([])));
    assert_eq!(first(&owner).await, "9E");
    let page = owner.post("/v1/execute/codes", &json!({"limits": {"rows": 1}})).await.expect(200);

    let saved = owner.put("/v1/queries/codes?draft=true", 1, &query(BY_NAME)).await;
    assert_eq!(saved.headers["etag"], "\"2\"");
    let saved = saved.expect(200);
    assert_eq!((&saved["revision"], &saved["statement"]), (&json!(1), &json!(BY_CODE)));
    assert_eq!((&saved["draft"]["revision"], &saved["draft"]["statement"]), (&json!(2), &json!(BY_NAME)));
    assert_eq!(saved["draft"]["proof"], "described");
    let warning = saved["warnings"][0].as_str().unwrap();
    assert_eq!(
        warning,
        "revision 2 is a draft and revision 1 keeps running; publish it with POST /v1/queries/codes/publish"
    );
    assert_eq!(first(&owner).await, "9E");
    let tried = owner.post("/v1/execute/codes", &json!({"draft": true})).await.expect(200);
    assert_ne!(tried["rows"][0][0], "9E");
    owner.post("/v1/execute/codes/explain", &json!({"draft": true})).await.expect(200);
    let runner = server.with_role("run", "runner", json!({})).await;
    runner.post("/v1/execute/codes", &json!({"draft": true})).await.problem(403, "forbidden");
    for (name, scope, status, code) in
        [("there", "list_airlines", 404, "not_found"), ("here", "codes", 403, "forbidden")]
    {
        let narrowed = server.with_role(name, "editor", json!({"queries": [scope]})).await;
        narrowed.post("/v1/execute/codes", &json!({"draft": true})).await.problem(status, code);
    }
    // A page that was begun goes on, because what runs is the same.
    let next = json!({"cursor": page["next_cursor"], "limits": {"rows": 1}});
    assert_eq!(owner.post("/v1/execute/codes", &next).await.expect(200)["rows"], json!([["AA"]]));

    publish(&owner, 1, json!({})).await.problem(409, "version_conflict");
    let published = publish(&owner, 2, json!({})).await.expect(200);
    assert_eq!((&published["revision"], &published["draft"]), (&json!(2), &Json::Null));
    assert_eq!(published["statement"], BY_NAME);
    owner.post("/v1/execute/codes", &json!({"draft": true})).await.problem(404, "not_found");
    let by_name = first(&owner).await;
    assert_ne!(by_name, "9E");
    owner.post("/v1/execute/codes", &next).await.problem(400, "invalid_cursor");

    let back = publish(&owner, 3, json!({"revision": 1})).await.expect(200);
    assert_eq!((&back["revision"], &back["statement"], &back["version"]), (&json!(1), &json!(BY_CODE), &json!(4)));
    assert_eq!(first(&owner).await, "9E");
    let ran = owner.get("/v1/executions?query=codes&limit=100").await.expect(200);
    let ran: Vec<u64> =
        ran["items"].as_array().unwrap().iter().map(|it| it["query"]["revision"].as_u64().unwrap()).collect();
    assert_eq!(ran, [1, 2, 1, 2, 1, 1, 1]);

    // The next save gets a number of its own.
    assert_eq!(owner.put("/v1/queries/codes", 4, &query(BY_NAME)).await.expect(200)["revision"], 3);
}

#[tokio::test]
async fn a_query_that_is_only_a_draft_does_not_run_and_is_no_tool() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let made = owner.post("/v1/queries?draft=true", &query(BY_CODE)).await.expect(201);
    assert_eq!(
        (&made["revision"], &made["draft"]["revision"], &made["statement"]),
        (&Json::Null, &json!(1), &json!(BY_CODE))
    );
    assert!(made["warnings"][0].as_str().unwrap().contains("nothing of this query runs yet"), "{made}");
    owner.post("/v1/servers", &json!({"name": "desk", "queries": ["codes"]})).await.expect(201);
    let problem = owner.run("codes", json!({})).await.problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("is a draft"), "{problem}");
    owner.post("/v1/execute/codes/explain", &json!({})).await.problem(404, "not_found");
    assert_eq!(tools(&owner).await, []);
    let call = owner.mcp_modern("/t/demo/mcp/desk", "tools/call", json!({"name": "codes", "arguments": {}})).await;
    assert!(call.json()["error"]["message"].as_str().unwrap().contains("there is no tool `codes`"), "{}", call.text);

    publish(&owner, 1, json!({})).await.expect(200);
    assert_eq!(tools(&owner).await, [("codes".to_owned(), "airlines by code".to_owned())]);
    assert_eq!(first(&owner).await, "9E");
}

#[tokio::test]
async fn servers_select_by_the_tags_of_what_runs() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.post("/v1/servers", &json!({"name": "desk", "query_tags": ["shown"]})).await.expect(201);
    owner.post("/v1/queries", &query(BY_CODE)).await.expect(201);
    let mut tagged = query(BY_CODE);
    tagged["tags"] = json!(["shown"]);
    owner.put("/v1/queries/codes?draft=true", 1, &tagged).await.expect(200);
    assert_eq!(tools(&owner).await, []);
    publish(&owner, 2, json!({})).await.expect(200);
    assert_eq!(tools(&owner).await.len(), 1);
    assert_eq!(owner.get("/v1/queries?tag=shown").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn revisions_are_listed_newest_first_and_read_one_by_one() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.post("/v1/queries", &query(BY_CODE)).await.expect(201);
    for version in 1..5 {
        let mut spec = query(BY_CODE);
        spec["description"] = json!(format!("saved over version {version}"));
        let draft = if version == 4 { "?draft=true" } else { "" };
        owner.put(&format!("/v1/queries/codes{draft}"), version, &spec).await.expect(200);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/queries/codes/revisions?limit=2".to_owned();
    loop {
        let page = owner.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/queries/codes/revisions?limit=2&cursor={cursor}");
    }
    let numbers: Vec<u64> = seen.iter().map(|it| it["revision"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    assert_eq!((&seen[0]["published_at"], &seen[0]["description"]), (&Json::Null, &json!("saved over version 4")));
    assert!(seen[1..].iter().all(|it| it["published_at"].is_string() && it["saved_by"].is_string()), "{seen:#?}");
    assert_eq!(owner.get("/v1/queries/codes/revisions/1").await.expect(200), seen[4]);
    assert_eq!(owner.get("/v1/queries/codes/revisions/5").await.expect(200), seen[0]);

    let unknown = owner.get("/v1/queries/codes/revisions/6").await.problem(404, "not_found");
    assert_eq!(unknown["detail"], "the query `codes` has no revision 6; the newest is 5");
    owner.get("/v1/queries/codes/revisions/x").await.problem(400, "invalid_argument");
    owner.get("/v1/queries/other/revisions").await.problem(404, "not_found");
    owner.get("/v1/queries/codes/revisions?limit=101").await.problem(400, "invalid_argument");
    owner.get("/v1/queries/codes/revisions?cursor=x").await.problem(400, "invalid_cursor");
    let stranger = server.with_key(&server.other_tenant("stranger").await);
    stranger.get("/v1/queries/codes/revisions").await.problem(404, "not_found");

    owner.delete("/v1/queries/codes", 5).await.expect(204);
    owner.get("/v1/queries/codes/revisions").await.problem(404, "not_found");
}

#[tokio::test]
async fn two_revisions_are_compared_field_by_field_and_line_by_line() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let before = "SELECT carrier\nFROM airlines\nORDER BY carrier\n";
    owner.post("/v1/queries", &query(before)).await.expect(201);
    let alone = owner.get("/v1/queries/codes/diff").await.problem(400, "invalid_argument");
    assert!(alone["detail"].as_str().unwrap().contains("no revision before 1"), "{alone}");
    let mut changed = query("SELECT carrier\nFROM airlines\nWHERE carrier <> {{ but }}\nORDER BY carrier\n");
    changed["parameters"] = json!([{"name": "but", "type": "string", "default": "AA"}]);
    changed["limits"] = json!({"rows": 5});
    owner.put("/v1/queries/codes?draft=true", 1, &changed).await.expect(200);
    changed["parameters"][0]["default"] = json!("UA");
    owner.put("/v1/queries/codes?draft=true", 2, &changed).await.expect(200);

    // What runs against the draft.
    let diff = owner.get("/v1/queries/codes/diff").await.expect(200);
    assert_eq!((&diff["from"], &diff["to"]), (&json!(1), &json!(3)));
    let paths: Vec<&str> = diff["changes"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/statement", "/parameters/0", "/limits/rows"]);
    assert_eq!(diff["changes"][2], json!({"path": "/limits/rows", "after": 5}));
    let lines = "--- revision 1\n+++ revision 3\n@@ -1,3 +1,4 @@\n SELECT carrier\n FROM airlines\n+WHERE carrier <> {{ but }}\n ORDER BY carrier\n";
    assert_eq!(diff["statement"], lines);

    let drafts = owner.get("/v1/queries/codes/diff?to=3&from=2").await.expect(200);
    let change = json!({"path": "/parameters/0/default", "before": "AA", "after": "UA"});
    assert_eq!((&drafts["changes"], &drafts["statement"]), (&json!([change]), &Json::Null));
    assert_eq!(owner.get("/v1/queries/codes/diff?to=3").await.expect(200), drafts, "the one before `to`");
    let text = owner.send(Method::GET, "/v1/queries/codes/diff?from=2", &[("accept", "text/plain")], None).await;
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(text.text, "/parameters/0/default: \"AA\" -> \"UA\"\n");

    // Without a draft: the two newest.
    publish(&owner, 3, json!({})).await.expect(200);
    assert_eq!(owner.get("/v1/queries/codes/diff").await.expect(200), drafts);
    owner.get("/v1/queries/codes/diff?from=3").await.problem(400, "invalid_argument");
    owner.get("/v1/queries/codes/diff?from=2&to=2").await.problem(400, "invalid_argument");
    owner.get("/v1/queries/codes/diff?from=1&to=9").await.problem(404, "not_found");
    owner.get("/v1/queries/codes/diff?from=first").await.problem(400, "invalid_request");
}

#[tokio::test]
async fn a_deprecated_query_says_so_wherever_it_is_met() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let made = owner.post("/v1/queries", &query(BY_CODE)).await.expect(201);
    owner.post("/v1/servers", &json!({"name": "desk", "queries": ["codes"]})).await.expect(201);
    assert_eq!(made.get("deprecated"), None);
    assert_eq!(owner.run("codes", json!({})).await.headers.get("deprecation"), None);

    let mut deprecated = query(BY_CODE);
    deprecated["deprecated"] = json!(" ");
    let problem = owner.put("/v1/queries/codes", 1, &deprecated).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "deprecated");
    deprecated["deprecated"] = json!("use `airlines` instead");
    owner.put("/v1/queries/codes?draft=true", 1, &deprecated).await.expect(200);
    assert_eq!(owner.run("codes", json!({})).await.headers.get("deprecation"), None, "only a draft says so");
    publish(&owner, 2, json!({})).await.expect(200);

    let saved = owner.get("/v1/queries/codes/revisions/2").await.expect(200);
    let saved: chrono::DateTime<chrono::Utc> = saved["saved_at"].as_str().unwrap().parse().unwrap();
    let since = format!("@{}", saved.timestamp());
    for format in ["json", "csv", "ndjson"] {
        let ran = owner.post(&format!("/v1/execute/codes?format={format}"), &json!({})).await;
        assert_eq!((ran.status.as_u16(), ran.headers["deprecation"].to_str().unwrap()), (200, since.as_str()));
    }
    let listed = owner.get("/v1/queries?limit=100").await.expect(200);
    let listed = listed["items"].as_array().unwrap().iter().find(|item| item["name"] == "codes").unwrap();
    assert_eq!(listed["deprecated"], "use `airlines` instead");
    let description = "Deprecated: use `airlines` instead\n\nairlines by code";
    assert_eq!(tools(&owner).await, [("codes".to_owned(), description.to_owned())]);
}

#[tokio::test]
async fn while_the_source_is_away_a_save_is_a_draft_and_what_was_published_keeps_running() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let away = server.folder.path().join("away.sqlite");
    owner.register(&json!({"name": "away", "connection": {"sqlite": {"path": away}}})).await;
    owner.post("/v1/queries", &query(BY_CODE)).await.expect(201);
    let mut moved = query(BY_NAME);
    moved["source"] = json!("away");
    let saved = owner.put("/v1/queries/codes", 1, &moved).await.expect(200);
    assert_eq!((&saved["revision"], &saved["draft"]["revision"]), (&json!(1), &json!(2)));
    assert_eq!(saved["draft"]["proof"], "parsed");
    let warnings = saved["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().starts_with("the statement was not proved on its source"), "{saved}");
    assert!(warnings[1].as_str().unwrap().contains("revision 1 keeps running"), "{saved}");
    assert_eq!(first(&owner).await, "9E");

    let refused = publish(&owner, 2, json!({})).await.problem(502, "source_unavailable");
    assert!(refused["detail"].as_str().unwrap().starts_with("revision 2 cannot be published: "), "{refused}");
    assert_eq!(owner.get("/v1/queries/codes").await.expect(200)["version"], 2);

    std::fs::copy(server.folder.path().join("flights.sqlite"), &away).unwrap();
    // A breaker leaves a source that was away alone for a while.
    let published = found("a publication", PATIENCE, async || {
        let answer = publish(&owner, 2, json!({})).await;
        (answer.status == 200).then(|| answer.json())
    });
    let published = published.await;
    assert_eq!(
        (&published["revision"], &published["source"], &published["proof"]),
        (&json!(2), &json!("away"), &json!("described"))
    );
    assert_eq!(owner.get("/v1/queries/codes/revisions/2").await.expect(200)["proof"], "described");
    assert_ne!(first(&owner).await, "9E");
}

#[tokio::test]
async fn a_revision_that_cannot_be_proved_is_not_published() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let file = server.folder.path().join("flights.sqlite");
    owner.register(&json!({"name": "old", "connection": {"sqlite": {"path": file}}})).await;
    let mut spec = query(BY_CODE);
    spec["source"] = json!("old");
    owner.post("/v1/queries", &spec).await.expect(201);
    owner.put("/v1/queries/codes", 1, &query(BY_NAME)).await.expect(200);
    let running = first(&owner).await;

    // Nothing that runs or waits needs the source, so it goes; the revision stays to be read.
    owner.delete("/v1/sources/old", 1).await.expect(204);
    let problem = publish(&owner, 2, json!({"revision": 1})).await.problem(400, "invalid_argument");
    assert_eq!(problem["detail"], "revision 1 cannot be published: there is no source `old`");
    let empty = server.folder.path().join("empty.sqlite");
    std::fs::write(&empty, "").unwrap();
    owner.register(&json!({"name": "old", "connection": {"sqlite": {"path": empty}}})).await;
    let problem = publish(&owner, 2, json!({"revision": 1})).await.problem(422, "database_error");
    assert_eq!(problem["detail"], "revision 1 cannot be published: no such table: airlines");
    assert_eq!(first(&owner).await, running);

    publish(&owner, 2, json!({"revision": 3})).await.problem(404, "not_found");
    publish(&owner, 2, json!({})).await.problem(400, "invalid_argument");
    publish(&owner, 2, json!({"revison": 1})).await.problem(400, "invalid_request");
    owner.post("/v1/queries/codes/publish", &json!({"revision": 1})).await.problem(400, "invalid_request");
    let runner = server.with_role("run", "runner", json!({})).await;
    publish(&runner, 2, json!({"revision": 1})).await.problem(403, "forbidden");
    runner.get("/v1/queries/codes/diff").await.expect(200);
}

#[tokio::test]
async fn a_draft_is_discarded_and_its_source_is_held_until_then() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let file = server.folder.path().join("flights.sqlite");
    let source = json!({"name": "other", "connection": {"sqlite": {"path": file}}});
    owner.register(&source).await;
    owner.post("/v1/queries", &query(BY_CODE)).await.expect(201);
    owner.delete("/v1/queries/codes/draft", 1).await.problem(400, "invalid_request");
    let mut moved = query(BY_NAME);
    moved["source"] = json!("other");
    owner.put("/v1/queries/codes?draft=true", 1, &moved).await.expect(200);
    owner.delete("/v1/sources/other", 1).await.problem(409, "in_use");
    owner.delete("/v1/queries/codes/draft", 1).await.problem(409, "version_conflict");
    let discarded = owner.delete("/v1/queries/codes/draft", 2).await.expect(200);
    assert_eq!((&discarded["draft"], &discarded["version"]), (&Json::Null, &json!(3)));
    owner.delete("/v1/sources/other", 1).await.expect(204);

    // A cascade takes the draft only: something else of the query runs.
    owner.register(&source).await;
    owner.put("/v1/queries/codes?draft=true", 3, &moved).await.expect(200);
    owner.delete("/v1/sources/other?cascade=true", 1).await.expect(204);
    assert_eq!(owner.get("/v1/queries/codes").await.expect(200)["draft"], Json::Null);
    assert_eq!(first(&owner).await, "9E");

    let mut unpublished = query(BY_CODE);
    unpublished["name"] = json!("unpublished");
    owner.post("/v1/queries?draft=true", &unpublished).await.expect(201);
    let problem = owner.delete("/v1/queries/unpublished/draft", 1).await.problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("delete the query"), "{problem}");
    owner.post("/v1/queries?drfat=true", &unpublished).await.problem(400, "invalid_request");
}
