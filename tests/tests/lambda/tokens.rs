//! Callers whose tokens the gateway has verified.

use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Event};

use crate::{AUTH, EXECUTE, MCP, REGISTRY};

const SUBJECT: &str = "auth0|5f7c8ec7c33c6c004bbafe82";

/// The claims of a token, as the gateway writes them.
fn claims(tenant: &str, role: &str) -> Json {
    json!({"sub": SUBJECT, "iss": "https://id.example.com/", "aud": "[tidegate other]", "exp": "1795172400",
           "tidegate_tenant": tenant, "tidegate_role": role})
}

fn get(path: &str, claims: &Json) -> Event {
    Event::new("GET", path).token("e30.e30.x", claims)
}

fn post(path: &str, claims: &Json, body: &Json) -> Event {
    Event::new("POST", path).token("e30.e30.x", claims).body(body)
}

#[tokio::test]
async fn a_token_is_its_subject_in_the_tenant_and_role_of_its_claims() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    for role in ["viewer", "runner", "editor", "admin", "owner"] {
        let me = function.call(&get("/v1/me", &claims("demo", role))).await.expect(200);
        assert_eq!((&me["tenant"], &me["role"]), (&json!("demo"), &json!(role)));
        assert_eq!((&me["scope"], &me["limits"]), (&json!({}), &json!({})));
        assert_eq!(me["caller"], format!("token:{SUBJECT}"));
    }
    // The gateway let the token in, so the token says who calls.
    let with_key = get("/v1/me", &claims("demo", "viewer")).key(&cloud.key);
    assert_eq!(function.call(&with_key).await.expect(200)["role"], "viewer");
    let key = function.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
    assert_eq!(key["caller"].as_str().unwrap().len(), 36, "{key}");
}

#[tokio::test]
async fn a_claim_that_says_nothing_is_named_and_tenants_are_not_told_apart() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    let too_long = "x".repeat(257);
    for (claim, values) in [
        (
            "tidegate_tenant",
            &[Json::Null, json!(""), json!("nobody"), json!("Demo"), json!("[demo]"), json!(["demo"])][..],
        ),
        ("tidegate_role", &[Json::Null, json!(""), json!("root"), json!("Owner"), json!("[owner]"), json!(5)]),
        ("sub", &[Json::Null, json!(""), json!(too_long), json!("a\u{1b}[2J")]),
    ] {
        let mut told = Vec::new();
        for value in values {
            let mut claims = claims("demo", "owner");
            claims[claim] = value.clone();
            let answer = function.call(&get("/v1/me", &claims)).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"tidegate\"");
            told.push(answer.problem(401, "unauthenticated")["detail"].as_str().unwrap().to_owned());
        }
        assert!(told[0].contains(&format!("the claim `{claim}`")), "{told:?}");
        assert!(told[0].contains("ask the administrator of your identity provider"), "{told:?}");
        assert!(told.iter().all(|text| *text == told[0]), "{told:#?}");
    }
    let empty = function.call(&get("/v1/me", &json!({})).key(&cloud.key)).await;
    assert!(empty.problem(401, "unauthenticated")["detail"].as_str().unwrap().contains("`sub`"));
}

#[tokio::test]
async fn the_claims_have_the_names_that_the_environment_gives_them() {
    let cloud = Cloud::start().await;
    let config = json!({"token_claims": {"tenant": "https://e.io/tenant", "role": "https://e.io/role"}}).to_string();
    let variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&config));
    let mut function = tests::lambda::Environment::start(AUTH.as_ref(), &variables).await;
    let mut claims = claims("nobody", "owner");
    (claims["https://e.io/tenant"], claims["https://e.io/role"]) = (json!("demo"), json!("viewer"));
    let me = function.call(&get("/v1/me", &claims)).await.expect(200);
    assert_eq!((&me["tenant"], &me["role"]), (&json!("demo"), &json!("viewer")));
}

#[tokio::test]
async fn nobody_has_claims_without_the_gateway() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    let claims = claims("demo", "owner");
    let authorizer = json!({"jwt": {"claims": claims}});
    for event in [
        get("/v1/me", &claims).over_url(),
        Event::new("GET", "/v1/me").header("authorizer", &authorizer.to_string()),
        Event::new("GET", "/v1/me").header("x-amzn-request-context", &json!({"authorizer": authorizer}).to_string()),
        Event::new("GET", "/v1/me?authorizer=jwt").body(json!({"requestContext": {"authorizer": authorizer}})),
        get("/v1/me", &claims).with("/requestContext/authorizer", json!({"lambda": authorizer})),
        get("/v1/me", &claims).with("/requestContext/authorizer", Json::Null),
    ] {
        let refused = function.call(&event).await.problem(401, "unauthenticated");
        assert!(refused["detail"].as_str().unwrap().contains("API key"), "{refused}");
    }
}

#[tokio::test]
async fn a_token_runs_what_its_role_may_and_the_history_names_its_subject() {
    let cloud = Cloud::with_tenants(&["other"]).await;
    let mut function = cloud.function(EXECUTE).await;
    let run = |tenant, role| post("/v1/execute/list_airlines", &claims(tenant, role), &json!({}));
    function.call(&run("demo", "viewer")).await.problem(403, "forbidden");
    function.call(&run("other", "owner")).await.problem(404, "not_found");
    function.call(&run("demo", "runner")).await.expect(200);
    function.call(&Event::new("POST", "/v1/execute/list_airlines").key(&cloud.key).body(json!({}))).await.expect(200);

    let history = async |function: &mut tests::lambda::Environment, tenant, filter: &str| {
        let page = get(&format!("/v1/executions{filter}"), &claims(tenant, "viewer"));
        function.call(&page).await.expect(200)["items"].as_array().unwrap().clone()
    };
    assert_eq!(history(&mut function, "demo", "").await.len(), 2);
    let own = history(&mut function, "demo", &format!("?principal=token:{}", SUBJECT.replace('|', "%7C"))).await;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["principal"], json!({"id": format!("token:{SUBJECT}")}));
    assert!(history(&mut function, "demo", "?principal=token:somebody").await.is_empty());
    assert!(history(&mut function, "other", "").await.is_empty());
    let one = |tenant| get(&format!("/v1/executions/{}", own[0]["id"].as_str().unwrap()), &claims(tenant, "owner"));
    assert_eq!(function.call(&one("demo")).await.expect(200)["principal"], own[0]["principal"]);
    function.call(&one("other")).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_assistant_with_a_token_reaches_its_own_tenant_only() {
    let cloud = Cloud::with_tenants(&["other"]).await;
    let mut function = cloud.function(MCP).await;
    let mcp = |tenant, role, method: &str, params: Json| {
        post(
            "/t/demo/mcp/flights",
            &claims(tenant, role),
            &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
        )
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
    };
    let call = |role| mcp("demo", role, "tools/call", json!({"name": "list_airlines", "arguments": {}}));
    let tools = function.call(&mcp("demo", "runner", "tools/list", json!({}))).await.expect(200);
    assert!(tools["result"]["tools"].to_string().contains("list_airlines"), "{tools}");
    let called = function.call(&call("runner")).await.expect(200);
    assert_ne!(called["result"]["isError"], true, "{called}");
    let refused = function.call(&call("viewer")).await.expect(200);
    assert!(refused.to_string().contains("the role `viewer` may not run queries"), "{refused}");
    function.call(&mcp("other", "owner", "tools/list", json!({}))).await.problem(404, "not_found");
    function.call(&mcp("nobody", "owner", "tools/list", json!({}))).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_a_token_makes_is_its_tenants_and_a_repetition_finds_it() {
    let cloud = Cloud::with_tenants(&["other"]).await;
    let mut function = cloud.function(REGISTRY).await;
    let query =
        json!({"name": "numbers", "description": "one number", "source": "flights", "statement": "SELECT 1 AS one"});
    let make = |text: &str, claims: &Json| {
        Event::new("POST", "/v1/queries").token(text, claims).body(&query).header("idempotency-key", "key-1")
    };
    function.call(&make("e30.e30.x", &claims("demo", "runner"))).await.problem(403, "forbidden");
    function.call(&make("e30.e30.x", &claims("demo", "editor"))).await.expect(201);
    // The next token of the same subject.
    let again = function.call(&make("e30.e31.y", &claims("demo", "editor"))).await;
    again.expect(201);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let mut somebody = claims("demo", "editor");
    somebody["sub"] = json!("somebody");
    function.call(&make("e30.e30.x", &somebody)).await.problem(409, "already_exists");

    let revisions = get("/v1/queries/numbers/revisions", &claims("demo", "viewer"));
    let revisions = function.call(&revisions).await.expect(200);
    assert_eq!(revisions["items"][0]["saved_by"], format!("token:{SUBJECT}"));
    for path in ["/v1/queries", "/v1/sources", "/v1/servers"] {
        let items = function.call(&get(path, &claims("other", "owner"))).await.expect(200)["items"].clone();
        assert_eq!(items, json!([]), "{path}");
    }
    function.call(&get("/v1/queries/numbers", &claims("other", "owner"))).await.problem(404, "not_found");
}
