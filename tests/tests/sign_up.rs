//! Tenants that are made by whoever comes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{
    Answer, Client, TestServer,
    lambda::{Cloud, Environment as Function, Event},
};
use tidegate_core::{network::SourceNetworks, tenant::SignUp};
use tidegate_platform::Environment;
use tokio::task::JoinSet;

const SIGN_UP: &str = "/v1/sign-up";

async fn open_server() -> TestServer {
    TestServer::in_environment(Environment { sign_up: SignUp::Open, ..Environment::default() }).await
}

/// Asks for a tenant, as a program does.
async fn sign_up(caller: &Client, body: &Json) -> Answer {
    caller.send(Method::POST, SIGN_UP, &[("content-type", "application/json")], Some(body.to_string())).await
}

fn named(name: &str) -> Json {
    json!({"tenant": name})
}

#[tokio::test]
async fn whoever_signs_up_owns_a_tenant() {
    let server = open_server().await;
    let nobody = server.with_key("");
    let made = sign_up(&nobody, &named("acme")).await.expect(201);
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
        let made = sign_up(&nobody, &named(name)).await.expect(201);
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
        calls.spawn(async move { sign_up(&nobody, &named("acme")).await });
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
    sign_up(&nobody, &named("demo")).await.problem(409, "already_exists");
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
        let problem = sign_up(&nobody, &body).await.problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{body}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
    let long = format!("{{\"tenant\": \"{}\"}}", "a".repeat(2 << 20));
    nobody
        .send(Method::POST, SIGN_UP, &[("content-type", "application/json")], Some(long))
        .await
        .problem(413, "payload_too_large");
    nobody.get(SIGN_UP).await.problem(405, "invalid_request");
    // None of these made anything.
    sign_up(&nobody, &named("acme")).await.expect(201);
}

#[tokio::test]
async fn no_page_of_another_site_signs_up() {
    let server = open_server().await;
    let nobody = server.with_key("");
    let json = ("content-type", "application/json");
    let send = async |headers: &[(&str, &str)]| {
        nobody.send(Method::POST, SIGN_UP, headers, Some(named("acme").to_string())).await
    };
    // One whose name was made to lead to this machine has the origin of its own name, and so does its request.
    for headers in [
        &[json, ("host", "evil.example:9000")][..],
        &[json, ("host", "evil.example:9000"), ("origin", "http://evil.example:9000")],
        &[json, ("origin", "https://evil.example")],
        &[json, ("origin", "null")],
    ] {
        let problem = send(headers).await.problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("`hosts`"), "{problem}");
    }
    // What a page sends without a question beforehand.
    for media_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/application/json"]
    {
        let problem = send(&[("content-type", media_type)]).await.problem(415, "invalid_request");
        assert_eq!(problem["detail"], "send the body with `Content-Type: application/json`", "{media_type}");
    }
    send(&[]).await.problem(415, "invalid_request");
    // None of these made anything.
    send(&[("content-type", "Application/JSON; charset=utf-8"), ("origin", "http://localhost:9000")]).await.expect(201);
}

#[tokio::test]
async fn a_tenant_that_signed_up_reaches_what_the_environment_allows() {
    let elsewhere = tempfile::tempdir().unwrap();
    let [inside, outside] = ["inside.sqlite", "outside.sqlite"];
    let postgres =
        json!({"postgres": {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "tls": {"mode": "off"}}});
    for (sign_up_mode, allow, refused, because) in [
        (SignUp::Closed, vec![], false, "refuses the connection"),
        (SignUp::Open, vec![], true, "`source_networks.allow`"),
        (SignUp::Open, vec!["127.0.0.0/8".parse().unwrap()], true, "refuses the connection"),
    ] {
        let source_networks = SourceNetworks { allow };
        let environment = Environment { sign_up: sign_up_mode, source_networks, ..Environment::default() };
        let server = TestServer::in_environment(environment).await;
        fs::write(server.folder.path().join(inside), "").unwrap();
        fs::write(elsewhere.path().join(outside), "").unwrap();
        let owner = match sign_up_mode {
            SignUp::Closed => server.owner(),
            SignUp::Open => {
                let made = sign_up(&server.with_key(""), &named("acme")).await.expect(201);
                server.with_key(made["api_key"]["key"].as_str().unwrap())
            }
        };
        let source = |name: &str, connection: Json| json!({"name": name, "connection": connection});
        owner.register(&source("inside", json!({"sqlite": {"path": inside}}))).await;
        let path = elsewhere.path().join(outside);
        let answer = owner.post("/v1/sources", &source("outside", json!({"sqlite": {"path": path}}))).await;
        if refused {
            let detail = answer.problem(400, "invalid_request")["detail"].clone();
            assert!(detail.as_str().unwrap().contains("outside the folder"), "{detail}");
        } else {
            answer.expect(201);
        }
        owner.post("/v1/sources", &source("postgres", postgres.clone())).await.expect(201);
        let tested = owner.post("/v1/sources/postgres/test", &json!({})).await.problem(502, "source_unavailable");
        assert!(tested["detail"].as_str().unwrap().contains(because), "{tested}");
    }
}

#[tokio::test]
async fn no_source_is_a_file_of_the_store() {
    let server = TestServer::start().await;
    let (folder, owner) = (server.folder.path(), server.owner());
    let entries = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut own = [entries(folder), entries(&folder.join("vault"))].concat();
    own.retain(|path| path.file_stem().is_none_or(|name| name != "flights"));
    assert!(own.len() > 6, "{own:?}");
    fs::hard_link(folder.join("store.sqlite"), folder.join("other.sqlite")).unwrap();
    std::os::unix::fs::symlink(folder.join("store.sqlite"), folder.join("link.sqlite")).unwrap();
    own.extend(["store.sqlite", "./vault/../store.sqlite", "other.sqlite", "link.sqlite"].map(PathBuf::from));
    for path in own {
        let source = json!({"name": "own", "connection": {"sqlite": {"path": path}}});
        let detail = owner.post("/v1/sources", &source).await.problem(400, "invalid_request")["detail"].clone();
        assert!(detail.as_str().unwrap().contains("is a file of tidegate itself"), "{path:?}: {detail}");
    }
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
        let problem = caller.post(SIGN_UP, &body).await.problem(403, "forbidden");
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
    let sign_up = || Event::new("POST", SIGN_UP).body(named("acme"));
    for config in ["{}", r#"{"sign_up": "closed"}"#] {
        let mut closed = Function::start(auth, &cloud.variables_with("TIDEGATE_CONFIG", Some(config))).await;
        assert_eq!(closed.call(&sign_up()).await.expect(403)["code"], "forbidden", "{config}");
    }
    let mut variables = cloud.variables_with("TIDEGATE_CONFIG", Some(r#"{"sign_up": "open"}"#));
    variables.push(("TIDEGATE_URLS".to_owned(), "https://api.example.com".to_owned()));
    let mut open = Function::start(auth, &variables).await;
    let made = open.call(&sign_up()).await.expect(201);
    let key = made["api_key"]["key"].as_str().unwrap();
    let me = open.call(&Event::new("GET", "/v1/me").key(key)).await.expect(200);
    assert_eq!((&me["tenant"], &me["tenant_id"]), (&json!("acme"), &made["tenant_id"]));
    assert_eq!(open.call(&sign_up()).await.expect(409)["code"], "already_exists");
    // The gateway answers to its own names only; whose page it is, is for the function to look at.
    let other =
        || Event::new("POST", SIGN_UP).body(named("globex")).header("host", "abc.execute-api.eu-west-1.amazonaws.com");
    let foreign = other().header("origin", "https://elsewhere.example.com");
    assert_eq!(open.call(&foreign).await.expect(403)["code"], "forbidden");
    open.call(&other().header("origin", "https://api.example.com")).await.expect(201);
}
