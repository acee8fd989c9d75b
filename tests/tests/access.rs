//! Who may do what.

use serde_json::{Value as Json, json};
use tests::TestServer;

/// Routes that answer everybody.
const OPEN: &[&str] = &["/health", "/health/ready", "/docs", "/openapi.json"];

/// The one route of the document without a principal: who signs up has no key yet. Where sign-up is closed, as here, it
/// refuses everybody.
const SIGN_UP: &str = "/v1/sign-up";

#[tokio::test]
async fn every_route_of_the_document_needs_a_principal() {
    let server = TestServer::start().await;
    let nobody = server.with_key("");
    let stranger = server.with_key("tg_AAAA");
    let document = nobody.get("/openapi.json").await.expect(200);
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let concrete = path.replace(['{', '}'], "");
        for method in ["get", "post", "put", "delete"].iter().filter(|method| item.get(**method).is_some()) {
            let (status, code) = if path == SIGN_UP { (403, "forbidden") } else { (401, "unauthenticated") };
            let takes_no_key = item[method].get("security").is_some();
            assert_eq!(takes_no_key, path == SIGN_UP, "{path}");
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for caller in [&nobody, &stranger] {
                let headers = [("if-match", "\"1\""), ("content-type", "application/json")];
                caller.send(method.clone(), &concrete, &headers, Some("{}".into())).await.problem(status, code);
            }
            count += 1;
        }
    }
    assert!(count >= 28, "only {count} operations in the document");
    for path in OPEN {
        assert_eq!(nobody.get(path).await.status, 200, "{path}");
    }
}

/// What the least role of each request is, as data: method, path, body, least role.
fn ladder() -> Vec<(&'static str, &'static str, Json, usize)> {
    let query = json!({"name": "ladder", "description": "d", "source": "flights", "statement": "SELECT 1 AS one"});
    vec![
        ("GET", "/v1/queries", Json::Null, 0),
        ("GET", "/v1/sources/flights/schemas", Json::Null, 0),
        ("POST", "/v1/execute/ladder_read", json!({}), 1),
        ("POST", "/v1/execute/raw", json!({"source": "flights", "sql": "SELECT 1"}), 2),
        ("POST", "/v1/queries/check", query, 2),
        ("GET", "/v1/keys", Json::Null, 3),
    ]
}

#[tokio::test]
async fn each_role_may_do_what_it_may_and_no_more() {
    let server = TestServer::start().await;
    let query = json!({"name": "ladder_read", "description": "d", "source": "flights", "statement": "SELECT 1 AS one"});
    server.owner().post("/v1/queries", &query).await.expect(201);
    for (rank, role) in ["viewer", "runner", "editor", "admin", "owner"].into_iter().enumerate() {
        let caller = server.with_role(role, role, json!({})).await;
        for (method, path, body, least) in ladder() {
            let method = method.parse().unwrap();
            let answer = caller.send(method, path, &[], Some(body.to_string())).await;
            if rank >= least {
                assert_eq!(answer.status, 200, "{role} {path}: {}", answer.text);
            } else {
                answer.problem(403, "forbidden");
            }
        }
    }
    let admin = server.with_role("an-admin", "admin", json!({})).await;
    admin.post("/v1/keys", &json!({"name": "up", "role": "owner"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_narrowed_key_sees_its_servers_and_queries_only() {
    let server = TestServer::start().await;
    let owner = server.owner();
    for name in ["seen", "hidden", "named"] {
        let query = json!({"name": name, "description": "d", "source": "flights", "statement": "SELECT 1 AS one"});
        owner.post("/v1/queries", &query).await.expect(201);
    }
    owner.post("/v1/servers", &json!({"name": "narrow", "queries": ["seen"]})).await.expect(201);
    let caller = server.with_role("narrowed", "runner", json!({"servers": ["narrow"], "queries": ["named"]})).await;

    caller.run("seen", json!({})).await.expect(200);
    caller.run("named", json!({})).await.expect(200);
    caller.run("hidden", json!({})).await.problem(404, "not_found");
    caller.get("/v1/queries").await.problem(403, "forbidden");
    caller.get("/v1/sources/flights/schemas").await.problem(404, "not_found");
    let tools = caller.mcp_legacy("/t/demo/mcp", "tools/list", json!({})).await.expect(200);
    let names: Vec<&str> =
        tools["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["named", "seen"]);
    caller.mcp_legacy("/t/demo/mcp/flights", "tools/list", json!({})).await.problem(404, "not_found");
    owner
        .post("/v1/keys", &json!({"name": "typo", "role": "runner", "scope": {"servers": ["narow"]}}))
        .await
        .problem(400, "invalid_argument");
}

#[tokio::test]
async fn another_tenant_does_not_exist() {
    let server = TestServer::start().await;
    let other = server.with_key(&server.other_tenant("other").await);
    let source = server.owner().get("/v1/sources/flights").await.expect(200);
    let id = source["id"].as_str().unwrap();

    assert_eq!(other.get("/v1/sources").await.expect(200)["items"], json!([]));
    assert_eq!(other.get("/v1/queries").await.expect(200)["items"], json!([]));
    other.get(&format!("/v1/sources/{id}")).await.problem(404, "not_found");
    other.get("/v1/sources/flights").await.problem(404, "not_found");
    other.get(&format!("/v1/sources/{id}/schemas")).await.problem(404, "not_found");
    other.delete(&format!("/v1/sources/{id}?cascade=true"), 1).await.problem(404, "not_found");
    let raw = json!({"source": "flights", "sql": "SELECT 1"});
    other.post("/v1/execute/raw", &raw).await.problem(404, "not_found");
    for path in ["/t/demo/mcp", "/t/demo/mcp/flights", "/t/other/mcp/flights"] {
        other.mcp_legacy(path, "tools/list", json!({})).await.problem(404, "not_found");
    }
    // The same name is free in another tenant.
    let own = json!({"name": "flights", "connection": {"sqlite": {"path": "flights.sqlite"}}});
    other.register(&own).await;
}
