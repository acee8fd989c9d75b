//! Requests to create that come again with their `Idempotency-Key`.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{Answer, Client, TestServer};
use tokio::task::JoinSet;

async fn post(client: &Client, path: &str, key: &str, body: &Json) -> Answer {
    client.send(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
}

fn source(server: &TestServer, name: &str) -> Json {
    json!({"name": name, "connection": {"sqlite": {"path": server.folder.path().join("flights.sqlite")}}})
}

/// A source that nobody can connect to, with credentials.
fn secretive(name: &str) -> Json {
    let endpoint = json!({"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "tls": {"mode": "off"}});
    json!({"name": name, "connection": {"postgres": endpoint}, "credentials": {"password": "do-not-tell-4711"}})
}

fn query(name: &str) -> Json {
    json!({
        "name": name, "description": "airlines by code", "source": "flights",
        "statement": "SELECT carrier, name FROM airlines WHERE carrier = {{ carrier }}",
        "parameters": [{"name": "carrier", "type": "string", "example": "UA"}],
    })
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

fn secrets(server: &TestServer) -> usize {
    std::fs::read_dir(server.folder.path().join("vault")).unwrap().count()
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_with_what_it_made() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let made = [
        ("/v1/sources", source(&server, "again")),
        ("/v1/queries", query("again")),
        ("/v1/queries?draft=true", query("again_draft")),
        ("/v1/servers", json!({"name": "again", "queries": ["again"]})),
    ];
    for (index, (path, body)) in made.iter().enumerate() {
        let key = format!("key-{index}");
        let first = post(&owner, path, &key, body).await;
        let again = post(&owner, path, &key, body).await;
        assert_eq!(first.expect(201), again.expect(201), "{path}");
        assert!(!is_replay(&first) && is_replay(&again), "{path}");
        assert_eq!(again.headers["etag"], "\"1\"");
        // Without the key it is another request, and its name is taken.
        owner.post(path, body).await.problem(409, "already_exists");
    }
}

#[tokio::test]
async fn a_repetition_sees_what_became_of_what_was_made() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let body = query("changing");
    post(&owner, "/v1/queries", "k", &body).await.expect(201);
    let mut changed = body.clone();
    changed["description"] = json!("changed");
    owner.put("/v1/queries/changing", 1, &changed).await.expect(200);
    let again = post(&owner, "/v1/queries", "k", &body).await;
    assert_eq!(again.headers["etag"], "\"2\"");
    assert_eq!(again.expect(201)["description"], "changed");

    owner.delete("/v1/queries/changing", 2).await.expect(204);
    let gone = post(&owner, "/v1/queries", "k", &body).await.problem(404, "not_found");
    assert!(gone["detail"].as_str().unwrap().contains("deleted since; send another `Idempotency-Key`"), "{gone}");
    post(&owner, "/v1/queries", "k2", &body).await.expect(201);
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_caller() {
    let server = TestServer::start().await;
    let owner = server.owner();
    post(&owner, "/v1/queries", "k", &query("mine")).await.expect(201);
    let others = [
        ("/v1/queries", query("other")),
        ("/v1/queries?draft=true", query("mine")),
        ("/v1/servers", json!({"name": "mine"})),
        ("/v1/keys", json!({"name": "mine", "role": "runner"})),
    ];
    for (path, body) in &others {
        let reused = post(&owner, path, "k", body).await.problem(422, "idempotency_key_reused");
        assert!(reused["detail"].as_str().unwrap().contains("was sent with another request"), "{path}: {reused}");
    }
    owner.get("/v1/queries/other").await.problem(404, "not_found");

    let editor = server.with_role("editor", "editor", json!({})).await;
    let theirs = post(&editor, "/v1/queries", "k", &query("theirs")).await;
    assert!(theirs.status == 201 && !is_replay(&theirs));
    let tenant = server.with_key(&server.other_tenant("other").await);
    let elsewhere = post(&tenant, "/v1/sources", "k", &source(&server, "elsewhere")).await;
    assert!(elsewhere.status == 201 && !is_replay(&elsewhere));
}

#[tokio::test]
async fn a_request_that_was_refused_leaves_its_key_free() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let mut broken = query("mended");
    broken["statement"] = json!("SELECT nothing FROM airlines WHERE carrier = {{ carrier }}");
    post(&owner, "/v1/queries", "k", &broken).await.problem(422, "database_error");
    post(&owner, "/v1/queries", "k", &query("mended")).await.expect(201);
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let long = "k".repeat(256);
    for key in ["", "two words", "t\tb", long.as_str()] {
        for (path, body) in [("/v1/queries", query("q")), ("/v1/keys", json!({"name": "q", "role": "runner"}))] {
            let refused = post(&owner, path, key, &body).await.problem(400, "invalid_request");
            assert!(refused["detail"].as_str().unwrap().contains("`Idempotency-Key`"), "{refused}");
        }
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let answer = owner.send(Method::POST, "/v1/queries", &twice, Some(query("q").to_string())).await;
    answer.problem(400, "invalid_request");
    owner.get("/v1/queries/q").await.problem(404, "not_found");
    post(&owner, "/v1/queries", &"k".repeat(255), &query("q")).await.expect(201);
    // Who is calling comes first.
    post(&server.with_key("tg_x"), "/v1/queries", "two words", &query("q")).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_text_of_an_api_key_is_given_once() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let body = json!({"name": "app", "role": "runner"});
    let made = post(&owner, "/v1/keys", "k", &body).await.expect(201);
    let again = post(&owner, "/v1/keys", "k", &body).await;
    let detail = again.problem(409, "already_exists")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("the API key `app` before") && detail.contains("DELETE /v1/keys/app"), "{detail}");
    assert!(!again.text.contains(made["key"].as_str().unwrap()));
    let named = owner.get("/v1/keys").await.expect(200)["items"].clone();
    assert_eq!(named.as_array().unwrap().iter().filter(|key| key["name"] == "app").count(), 1);
}

#[tokio::test]
async fn nothing_of_a_request_can_be_read_in_the_store() {
    let server = TestServer::start().await;
    let owner = server.owner();
    post(&owner, "/v1/sources", "a-key-to-find", &secretive("secretive")).await.expect(201);
    for file in ["store.sqlite", "store.sqlite-wal"] {
        let text = String::from_utf8_lossy(&std::fs::read(server.folder.path().join(file)).unwrap()).into_owned();
        assert!(!text.contains("do-not-tell") && !text.contains("a-key-to-find"), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_make_one_entity() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let before = secrets(&server);
    let made = [
        ("/v1/sources", secretive("raced")),
        ("/v1/queries", query("raced")),
        ("/v1/servers", json!({"name": "raced", "queries": ["raced"]})),
    ];
    for (path, body) in made {
        let mut posts = JoinSet::new();
        for _ in 0..20 {
            let (owner, body) = (owner.clone(), body.clone());
            posts.spawn(async move { post(&owner, path, path, &body).await });
        }
        let answers = posts.join_all().await;
        let ids: BTreeSet<String> = answers.iter().map(|answer| answer.expect(201)["id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "{path}");
        assert_eq!(answers.iter().filter(|answer| !is_replay(answer)).count(), 1, "{path}");
    }
    assert_eq!(secrets(&server), before + 1, "who came second leaves a secret behind");
}

#[tokio::test]
async fn a_key_is_ignored_where_nothing_is_created() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let body = json!({"arguments": {"carrier": "UA"}});
    owner.post("/v1/queries", &query("run")).await.expect(201);
    for _ in 0..2 {
        let answer = post(&owner, "/v1/execute/run", "k", &body).await;
        answer.expect(200);
        assert!(!is_replay(&answer));
    }
    let other = json!({"arguments": {"carrier": "AA"}});
    post(&owner, "/v1/execute/run", "k", &other).await.expect(200);
}
