//! Sources, queries, servers and keys over HTTP.

use serde_json::{Value as Json, json};
use tests::TestServer;

fn query(name: &str) -> Json {
    json!({
        "name": name, "description": "airlines by code", "source": "flights",
        "statement": "SELECT carrier, name FROM airlines WHERE carrier = {{ carrier }}",
        "parameters": [{"name": "carrier", "type": "string", "example": "UA"}],
        "tags": ["t"],
    })
}

#[tokio::test]
async fn a_query_is_made_read_replaced_and_deleted_with_versions() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let made = owner.post("/v1/queries", &query("by_code")).await;
    assert_eq!(made.headers["etag"], "\"1\"");
    let made = made.expect(201);
    assert_eq!((&made["version"], &made["proof"]), (&json!(1), &json!("described")));
    assert_eq!(made["columns"].as_array().unwrap().len(), 2);

    let id = made["id"].as_str().unwrap();
    assert_eq!(
        owner.get(&format!("/v1/queries/{id}")).await.expect(200),
        owner.get("/v1/queries/by_code").await.expect(200)
    );

    let mut changed = query("by_code");
    changed["description"] = json!("changed");
    assert_eq!(owner.put("/v1/queries/by_code", 1, &changed).await.expect(200)["version"], 2);
    let stale = owner.put("/v1/queries/by_code", 1, &changed).await.problem(409, "version_conflict");
    assert!(stale["detail"].as_str().unwrap().contains("version 2"), "{stale}");
    owner.delete("/v1/queries/by_code", 1).await.problem(409, "version_conflict");
    owner.delete("/v1/queries/by_code", 2).await.expect(204);
    owner.get("/v1/queries/by_code").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_name_is_taken_once_and_never_changes() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.post("/v1/queries", &query("twice")).await.expect(201);
    owner.post("/v1/queries", &query("twice")).await.problem(409, "already_exists");
    owner.put("/v1/queries/twice", 1, &query("other")).await.problem(400, "invalid_argument");
    for reserved in ["raw", "check", "run_sql"] {
        owner.post("/v1/queries", &query(reserved)).await.problem(400, "invalid_argument");
    }
}

#[tokio::test]
async fn a_change_needs_the_version_that_was_read() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.post("/v1/queries", &query("unread")).await.expect(201);
    let body = Some(query("unread").to_string());
    let without = owner.send(reqwest::Method::PUT, "/v1/queries/unread", &[], body.clone()).await;
    assert!(without.problem(400, "invalid_request")["detail"].as_str().unwrap().contains("if-match"));
    let odd = owner.send(reqwest::Method::PUT, "/v1/queries/unread", &[("if-match", "new")], body).await;
    odd.problem(400, "invalid_request");
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let server = TestServer::start().await;
    let owner = server.owner();
    for number in 0..7 {
        let mut spec = query(&format!("listed_{number}"));
        spec["tags"] = json!([if number % 2 == 0 { "even" } else { "odd" }]);
        owner.post("/v1/queries", &spec).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = owner.get(&format!("/v1/queries?tag=even&limit=3{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["listed_0", "listed_2", "listed_4", "listed_6"]);
    assert_eq!(owner.get("/v1/queries?kind=write").await.expect(200)["items"], json!([]));
    assert_eq!(owner.get("/v1/sources?kind=sqlite").await.expect(200)["items"].as_array().unwrap().len(), 1);
    owner.get("/v1/queries?limit=0").await.problem(400, "invalid_argument");
    owner.get("/v1/queries?cursor=x").await.problem(400, "invalid_cursor");
    let misspelt = owner.get("/v1/queries?tga=even").await.problem(400, "invalid_request");
    assert!(misspelt["detail"].as_str().unwrap().contains("did you mean `tag`"), "{misspelt}");
}

#[tokio::test]
async fn what_is_used_is_not_deleted_unless_the_deletion_cascades() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let file = server.folder.path().join("flights.sqlite");
    let source = json!({"name": "used", "connection": {"sqlite": {"path": file}}});
    owner.register(&source).await;
    let mut spec = query("uses");
    spec["source"] = json!("used");
    owner.post("/v1/queries", &spec).await.expect(201);
    let shows = json!({"name": "shows", "queries": ["uses"], "builtins": ["list_tables"], "sources": ["used"]});
    owner.post("/v1/servers", &shows).await.expect(201);

    owner.delete("/v1/sources/used", 1).await.problem(409, "in_use");
    owner.delete("/v1/queries/uses", 1).await.problem(409, "in_use");
    owner.delete("/v1/sources/used?cascade=true", 1).await.expect(204);
    owner.get("/v1/queries/uses").await.problem(404, "not_found");
    let left = owner.get("/v1/servers/shows").await.expect(200);
    assert_eq!((left.get("queries"), left.get("sources")), (None, None), "{left}");
}

#[tokio::test]
async fn a_server_names_what_exists() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let unknown = json!({"name": "broken", "queries": ["no_such"], "builtins": ["run_sql"], "sources": ["flights"]});
    let problem = owner.post("/v1/servers", &unknown).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "queries[0]");
    let blind = json!({"name": "blind", "builtins": ["run_sql"]});
    owner.post("/v1/servers", &blind).await.problem(400, "invalid_argument");
}

#[tokio::test]
async fn credentials_are_taken_and_never_given_back() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let source = json!({
        "name": "secretive",
        "connection": {"postgres": {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "tls": {"mode": "off"}}},
        "credentials": {"password": "do-not-tell-4711"},
    });
    let made = owner.post("/v1/sources", &source).await;
    assert_eq!(made.expect(201)["has_credentials"], true);
    assert!(!made.text.contains("do-not-tell"));

    // The same connection keeps the password; another one drops it.
    let mut kept = source.clone();
    kept.as_object_mut().unwrap().remove("credentials");
    assert_eq!(owner.put("/v1/sources/secretive", 1, &kept).await.expect(200)["has_credentials"], true);
    kept["connection"]["postgres"]["host"] = json!("localhost");
    assert_eq!(owner.put("/v1/sources/secretive", 2, &kept).await.expect(200)["has_credentials"], false);

    for file in std::fs::read_dir(server.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains("do-not-tell"), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_query_is_checked_without_being_saved() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let report = owner.post("/v1/queries/check", &query("checked")).await.expect(200);
    assert_eq!(report["proof"], "described");
    assert_eq!(report["statement"], "SELECT carrier, name FROM airlines WHERE carrier = ?1");
    owner.get("/v1/queries/checked").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_key_lives_until_it_is_revoked() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let made = owner.post("/v1/keys", &json!({"name": "app", "role": "runner"})).await.expect(201);
    let app = server.with_key(made["key"].as_str().unwrap());
    assert_eq!(app.get("/v1/me").await.expect(200)["role"], "runner");
    let listed = owner.get("/v1/keys").await;
    assert!(!listed.text.contains(made["key"].as_str().unwrap()) && !listed.text.contains("hash"));

    owner.send(reqwest::Method::DELETE, "/v1/keys/app", &[], None).await.expect(200);
    let refused = app.get("/v1/me").await;
    refused.problem(401, "unauthenticated");
    assert!(refused.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    let past = json!({"name": "past", "role": "runner", "expires_at": "2020-01-01T00:00:00Z"});
    owner.post("/v1/keys", &past).await.problem(400, "invalid_argument");
}

#[tokio::test]
async fn every_branch_of_a_query_is_proved_when_it_is_saved() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let mut spec = json!({
        "name": "branches", "description": "airlines in an order", "source": "flights",
        "statement": "SELECT carrier, name FROM airlines {% if text %}WHERE name LIKE {{ text }} {% endif %}ORDER BY {{ sort | ident }}",
        "parameters": [
            {"name": "text", "type": "string", "required": false},
            {"name": "sort", "type": "enum", "enum": ["carrier", "nme"], "default": "carrier"},
        ],
    });
    let problem = owner.post("/v1/queries", &spec).await.problem(422, "database_error");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("in the branch with text, sort = nme: no such column"), "{detail}");
    spec["parameters"][1]["enum"] = json!(["carrier", "name"]);
    let report = owner.post("/v1/queries/check", &spec).await.expect(200);
    let branches: Vec<&str> =
        report["branches"].as_array().unwrap().iter().map(|branch| branch["name"].as_str().unwrap()).collect();
    assert_eq!(
        branches,
        [
            "with text, sort = carrier",
            "without text, sort = carrier",
            "with text, sort = name",
            "without text, sort = name"
        ]
    );
    assert_eq!(report["columns"].as_array().unwrap().len(), 2);

    // Columns that differ from branch to branch are not promised.
    let differing = json!({
        "name": "differing", "description": "d", "source": "flights",
        "statement": "SELECT carrier {% if more %}, name {% endif %} FROM airlines",
        "parameters": [{"name": "more", "type": "boolean", "default": false}],
    });
    let report = owner.post("/v1/queries/check", &differing).await.expect(200);
    assert_eq!(report["columns"], Json::Null);
    assert_eq!(report["warnings"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_source_that_can_never_be_opened_is_not_registered() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let kept = || std::fs::read_dir(server.folder.path().join("vault")).unwrap().count();
    let before = kept();
    let source = |name: &str, connection: Json| json!({"name": name, "connection": connection, "credentials": {"password": "p"}});
    let tls = json!({"ca": "not a certificate"});
    for (name, kind) in [("pg", "postgres"), ("my", "mysql")] {
        let endpoint = json!({"host": "127.0.0.1", "database": "d", "user": "u", "tls": tls});
        owner.post("/v1/sources", &source(name, json!({kind: endpoint}))).await.problem(400, "invalid_request");
        owner.get(&format!("/v1/sources/{name}")).await.problem(404, "not_found");
    }
    owner.post("/v1/sources", &source("file", json!({"sqlite": {"path": ""}}))).await.problem(400, "invalid_request");
    assert_eq!(kept(), before, "credentials of a source that was refused stay in the vault");
}
