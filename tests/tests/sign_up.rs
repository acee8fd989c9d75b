//! Tenants that are made by whoever comes.

use std::path::Path;

use serde_json::{Value as Json, json};
use tests::{
    TestServer,
    lambda::{Cloud, Environment as Function, Event},
};
use tidegate_core::tenant::SignUp;
use tidegate_platform::Environment;
use tokio::task::JoinSet;

async fn open_server() -> TestServer {
    TestServer::in_environment(Environment { sign_up: SignUp::Open, ..Environment::default() }).await
}

fn named(name: &str) -> Json {
    json!({"tenant": name})
}

#[tokio::test]
async fn whoever_signs_up_owns_a_tenant() {
    let server = open_server().await;
    let nobody = server.with_key("");
    let made = nobody.post("/v1/sign-up", &named("acme")).await.expect(201);
    let key = &made["api_key"];
    assert_eq!(
        (&made["tenant"], &made["mcp_path"], &key["role"]),
        (&json!("acme"), &json!("/t/acme/mcp"), &json!("owner"))
    );
    let owner = server.with_key(key["key"].as_str().unwrap());

    let me = owner.get("/v1/me").await.expect(200);
    assert_eq!((&me["tenant"], &me["tenant_id"], &me["role"]), (&made["tenant"], &made["tenant_id"], &json!("owner")));
    let mut shown = key.clone();
    shown.as_object_mut().unwrap().remove("key");
    assert_eq!(owner.get("/v1/keys").await.expect(200)["items"], json!([shown]));
    let tools = owner.mcp_legacy(made["mcp_path"].as_str().unwrap(), "tools/list", json!({})).await.expect(200);
    assert_eq!(tools["result"]["tools"], json!([]));
    owner.post("/v1/keys", &json!({"name": "second", "role": "owner"})).await.expect(201);
    let revoked = owner.delete(&format!("/v1/keys/{}", key["name"].as_str().unwrap()), 1).await.expect(200);
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
    owner.get("/v1/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn tenants_that_signed_up_do_not_see_each_other() {
    let server = open_server().await;
    let nobody = server.with_key("");
    let mut owners = Vec::new();
    for name in ["acme", "globex"] {
        let made = nobody.post("/v1/sign-up", &named(name)).await.expect(201);
        let owner = server.with_key(made["api_key"]["key"].as_str().unwrap());
        let file = server.folder.path().join("flights.sqlite");
        owner.register(&json!({"name": name, "connection": {"sqlite": {"path": file}}})).await;
        owners.push(owner);
    }
    for (owner, own, other) in [(&owners[0], "acme", "globex"), (&owners[1], "globex", "acme")] {
        let sources = owner.get("/v1/sources").await.expect(200);
        assert_eq!(sources["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect::<Vec<_>>(), [own]);
        owner.get(&format!("/v1/sources/{other}")).await.problem(404, "not_found");
        owner.mcp_legacy(&format!("/t/{other}/mcp"), "tools/list", json!({})).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_name_is_given_once() {
    let server = open_server().await;
    let nobody = server.with_key("");
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let nobody = nobody.clone();
        calls.spawn(async move { nobody.post("/v1/sign-up", &named("acme")).await });
    }
    let (made, refused): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    let key = made[0].json()["api_key"]["key"].clone();
    for answer in refused {
        let detail = answer.problem(409, "already_exists")["detail"].clone();
        assert_eq!(
            detail,
            "there is a tenant `acme` already; choose another name, or, when you made it and lost the answer, ask the operator \
             of this deployment for another key"
        );
    }
    // The tenant of before goes on, and so does the demo's, which was not made by sign-up.
    assert_eq!(
        server.with_key(key.as_str().unwrap()).get("/v1/keys").await.expect(200)["items"].as_array().unwrap().len(),
        1
    );
    nobody.post("/v1/sign-up", &named("demo")).await.problem(409, "already_exists");
}

#[tokio::test]
async fn what_is_wrong_with_a_sign_up_is_told() {
    let server = open_server().await;
    let nobody = server.with_key("");
    for (body, field, expected) in [
        (json!({}), Json::Null, "missing field `tenant`"),
        (
            named("Acme Inc."),
            json!("tenant"),
            "`Acme Inc.` is not a name: use 1 to 64 of a-z, 0-9, _ and -, beginning with a letter",
        ),
        (named(""), json!("tenant"), "`` is not a name"),
        (named(&"a".repeat(65)), json!("tenant"), "is not a name: use 1 to 64"),
        (json!({"tenant": 7}), json!("tenant"), "invalid type: integer `7`, expected a string"),
        (json!({"tenant": null}), json!("tenant"), "invalid type: null, expected a string"),
        (
            json!({"tenent": "acme"}),
            json!("tenent"),
            "unknown field `tenent`, expected `tenant`; did you mean `tenant`?",
        ),
        (json!({"tenant": "acme", "role": "owner"}), json!("role"), "unknown field `role`"),
        (json!(["acme"]), Json::Null, "the body must be a JSON object, not an array"),
    ] {
        let problem = nobody.post("/v1/sign-up", &body).await.problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{body}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
    let long = format!("{{\"tenant\": \"{}\"}}", "a".repeat(2 << 20));
    nobody.send(reqwest::Method::POST, "/v1/sign-up", &[], Some(long)).await.problem(413, "payload_too_large");
    nobody.get("/v1/sign-up").await.problem(405, "invalid_request");
    // None of these made anything.
    nobody.post("/v1/sign-up", &named("acme")).await.expect(201);
}

#[tokio::test]
async fn nobody_signs_up_where_the_environment_does_not_say_so() {
    let server = TestServer::start().await;
    for (caller, body) in [
        (server.with_key(""), named("acme")),
        (server.with_key(""), json!({"nonsense": true})),
        (server.owner(), named("acme")),
        (server.owner(), named("demo")),
    ] {
        let problem = caller.post("/v1/sign-up", &body).await.problem(403, "forbidden");
        assert_eq!(
            problem["detail"],
            "sign-up is closed here; ask the operator of this deployment to make your tenant"
        );
    }
    // The name is free still.
    server.other_tenant("acme").await;
}

#[tokio::test]
async fn a_function_of_a_deployment_goes_by_its_environment() {
    let cloud = Cloud::start().await;
    let auth = Path::new(env!("CARGO_BIN_EXE_function-auth"));
    let sign_up = || Event::new("POST", "/v1/sign-up").body(named("acme"));
    for config in ["{}", r#"{"sign_up": "closed"}"#] {
        let mut closed = Function::start(auth, &cloud.variables_with("TIDEGATE_CONFIG", Some(config))).await;
        assert_eq!(closed.call(&sign_up()).await.expect(403)["code"], "forbidden", "{config}");
    }
    let variables = cloud.variables_with("TIDEGATE_CONFIG", Some(r#"{"sign_up": "open"}"#));
    let mut open = Function::start(auth, &variables).await;
    let made = open.call(&sign_up()).await.expect(201);
    let key = made["api_key"]["key"].as_str().unwrap();
    let me = open.call(&Event::new("GET", "/v1/me").key(key)).await.expect(200);
    assert_eq!((&me["tenant"], &me["tenant_id"]), (&json!("acme"), &made["tenant_id"]));
    assert_eq!(open.call(&sign_up()).await.expect(409)["code"], "already_exists");
}
