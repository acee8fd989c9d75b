//! Tenants that the operator deletes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;
use tests::{
    Client, PATIENCE, TestServer, found,
    lambda::{Cloud, Environment as Function, Event},
};
use tidegate::dev::start_on_free_port;
use tidegate_core::ports::{Clock, Tenants};
use tidegate_store::{LocalBackend, SystemClock};

/// Deletes a tenant of a data folder, as soon as what the server had open there is closed.
async fn delete(tenant: &str, folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-measured"));
    command.args(["tenants", "delete", tenant, "--yes", "--data-dir"]).arg(folder).stdin(Stdio::null());
    found("the folder is free", PATIENCE, async || {
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        if error.contains("is using the data folder") {
            return None;
        }
        assert!(output.status.success(), "{error}");
        Some(String::from_utf8(output.stdout).unwrap())
    })
    .await
}

#[tokio::test]
async fn a_tenant_that_is_deleted_leaves_nothing_behind() {
    let started = TestServer::start().await;
    let keys = [started.other_tenant("acme").await, started.other_tenant("globex").await];
    let TestServer { server, folder, .. } = started;
    let [acme, globex] = keys.each_ref().map(|key| Client::at(server.base_url(), key));
    let connection =
        json!({"postgres": {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "tls": {"mode": "off"}}});
    for owner in [&acme, &globex] {
        for name in ["shop", "stock"] {
            let source = json!({"name": name, "connection": connection, "credentials": {"password": "sesame"}});
            owner.register(&source).await;
        }
        owner.register(&json!({"name": "flights", "connection": {"sqlite": {"path": "flights.sqlite"}}})).await;
        let query = json!({"name": "one", "description": "one", "source": "flights", "statement": "SELECT 1 AS one"});
        owner.post("/v1/queries", &query).await.expect(201);
        owner.run("one", json!({})).await.expect(200);
    }
    server.stop().await.unwrap_or_else(|failure| panic!("{failure:?}"));
    let secrets = || fs::read_dir(folder.path().join("vault")).unwrap().count();
    let before = secrets();

    let done = delete("acme", folder.path()).await;
    assert!(done.starts_with("deleted the tenant `acme`: ") && done.ends_with(" items, 2 secrets\n"), "{done}");
    assert_eq!(secrets(), before - 2);
    let server = start_on_free_port(folder.path()).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    let [acme, globex] = keys.each_ref().map(|key| Client::at(server.base_url(), key));
    acme.get("/v1/me").await.problem(401, "unauthenticated");
    let sources = globex.get("/v1/sources").await.expect(200);
    assert_eq!(sources["items"].as_array().unwrap().len(), 3);
    globex.run("one", json!({})).await.expect(200);
    server.stop().await.unwrap_or_else(|failure| panic!("{failure:?}"));
}

#[tokio::test]
async fn a_tenant_that_is_being_removed_lets_nobody_in_but_by_memory_and_gets_no_key() {
    let cloud = Cloud::with_tenants(&["acme"]).await;
    let auth = Path::new(env!("CARGO_BIN_EXE_function-auth"));
    let variables =
        |seconds| cloud.variables_with("TIDEGATE_CONFIG", Some(&json!({"cache_seconds": seconds}).to_string()));
    let mut remembering = Function::start(auth, &variables(600)).await;
    let claims = |tenant: &str| json!({"sub": "somebody", "tidegate_tenant": tenant, "tidegate_role": "owner"});
    let by_key = |method, path| Event::new(method, path).key(&cloud.key);
    let by_token = |method, path, tenant: &str| Event::new(method, path).token("e30.e30.x", &claims(tenant));
    let new_key = json!({"name": "late", "role": "owner"});
    let me = "/v1/me";
    remembering.call(&by_key("GET", me)).await.expect(200);
    remembering.call(&by_token("GET", me, "demo")).await.expect(200);

    // The server that made the tenants may have it for a moment still.
    let open = async || LocalBackend::open(cloud.folder.path()).await.ok();
    let local = found("the folder is free", PATIENCE, open).await;
    let tenants: &dyn Tenants = &local.store;
    let demo = tenants.find(&"demo".parse().unwrap()).await.unwrap().unwrap();
    tenants.close(&demo, SystemClock.now()).await.unwrap();

    remembering.call(&by_key("GET", me)).await.expect(200);
    for event in [by_key("POST", "/v1/keys"), by_token("POST", "/v1/keys", "demo")] {
        let problem = remembering.call(&event.body(&new_key)).await.problem(401, "unauthenticated");
        assert!(problem["detail"].as_str().unwrap().contains("being removed"), "{problem}");
    }
    let mut forgetful = Function::start(auth, &variables(0)).await;
    forgetful.call(&by_key("GET", me)).await.problem(401, "unauthenticated");
    let closed = forgetful.call(&by_token("GET", me, "demo")).await.problem(401, "unauthenticated");
    let unknown = forgetful.call(&by_token("GET", me, "nobody")).await.problem(401, "unauthenticated");
    assert_eq!(closed["detail"], unknown["detail"]);
    forgetful.call(&by_token("POST", "/v1/keys", "acme").body(&new_key)).await.expect(201);
}
