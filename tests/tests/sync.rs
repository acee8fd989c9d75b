//! What the scheduled tasks leave for callers, over a real database.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::{Client, TestServer, proxy::Proxy, unique};

async fn sync(server: &TestServer, task: &str) -> Json {
    server.server.sync(&json!({"task": task})).await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// Registers the shared PostgreSQL by way of a proxy before it.
async fn behind_proxy(owner: &Client, name: &str) -> Proxy {
    let server = test_servers::postgres();
    let proxy = Proxy::before(&server.host, server.port).await;
    let mut source = server.source(name);
    source["connection"] = server.connection_at("127.0.0.1", proxy.port);
    owner.register(&source).await;
    proxy
}

async fn health(owner: &Client, source: &str) -> Json {
    owner.get(&format!("/v1/sources/{source}")).await.expect(200)["health"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_down_and_comes_up_again_says_so() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let mut proxy = behind_proxy(&owner, "shop").await;
    assert_eq!(health(&owner, "shop").await, Json::Null);

    assert_eq!(sync(&server, "source_health").await["down"], 0);
    let up = health(&owner, "shop").await;
    assert_eq!((&up["status"], &up["since"]), (&json!("ok"), &up["checked_at"]));
    assert!(up["latency_ms"].is_u64() && up.get("code").is_none(), "{up}");

    proxy.down().await;
    assert_eq!(sync(&server, "source_health").await["down"], 1);
    let down = health(&owner, "shop").await;
    assert_eq!((&down["status"], &down["code"]), (&json!("down"), &json!("source_unavailable")));
    assert!(down["message"].as_str().unwrap().contains(&proxy.port.to_string()), "{down}");
    sync(&server, "source_health").await;
    assert_eq!(health(&owner, "shop").await["since"], down["since"]);
    // The list shows the same, and other sources are not touched by it.
    let listed = owner.get("/v1/sources").await.expect(200);
    let statuses: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].clone(), it["health"]["status"].clone()))
        .collect();
    assert!(statuses.contains(&(json!("shop"), json!("down"))), "{statuses:?}");
    assert!(statuses.contains(&(json!("flights"), json!("ok"))), "{statuses:?}");

    proxy.up().await;
    assert_eq!(sync(&server, "source_health").await["down"], 0);
    let again = health(&owner, "shop").await;
    assert_eq!((&again["status"], again.get("message")), (&json!("ok"), None));
    assert_ne!(again["since"], up["since"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_source_does_not_hold_up_the_others() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let proxy = behind_proxy(&owner, "silent").await;
    proxy.freeze();
    let began = Instant::now();
    let counts = sync(&server, "source_health").await;
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!((&counts["down"], &counts["failed"], &counts["finished"]), (&json!(1), &json!(0), &json!(true)));
    assert_eq!(health(&owner, "silent").await["code"], "timeout");
    assert_eq!(health(&owner, "flights").await["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_of_a_source_is_that_of_its_last_snapshot() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let database = test_servers::postgres();
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    // The server may be one that others use, or an earlier run has used.
    let schema = unique("sync_catalog_");
    let made = format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.orders (id bigint PRIMARY KEY, total numeric NOT NULL); \
         COMMENT ON TABLE {schema}.orders IS 'what was sold'; \
         GRANT USAGE ON SCHEMA {schema} TO {0}; GRANT SELECT ON {schema}.orders TO {0}",
        database.user
    );
    sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut admin).await.unwrap();
    owner.register(&database.source("shop")).await;

    let path = "/v1/sources/shop/catalog";
    let none = owner.get(path).await.problem(404, "not_found");
    assert!(none["detail"].as_str().unwrap().contains("/v1/sources/shop/schemas"), "{none}");
    assert_eq!(sync(&server, "catalog_snapshots").await["unreachable"], 0);

    let narrow = format!("{path}?schema={schema}");
    let first = owner.get(&narrow).await.expect(200);
    let table = &first["schemas"][0]["tables"][0];
    assert_eq!((&table["name"], &table["comment"]), (&json!("orders"), &json!("what was sold")));
    assert_eq!((&table["primary_key"], &table["columns"][1]["name"]), (&json!(["id"]), &json!("total")));
    assert_eq!(first["schemas"].as_array().unwrap().len(), 1);
    assert!(owner.get(path).await.expect(200)["is_complete"].as_bool().unwrap());
    owner.get(&format!("{path}?schema=nowhere")).await.problem(404, "not_found");
    owner.get(&format!("{path}?schemas=x")).await.problem(400, "invalid_request");
    owner.get("/v1/sources/nowhere/catalog").await.problem(404, "not_found");

    let altered = format!("ALTER TABLE {schema}.orders ADD COLUMN paid boolean");
    sqlx::raw_sql(AssertSqlSafe(altered)).execute(&mut admin).await.unwrap();
    assert_eq!(sync(&server, "catalog_snapshots").await["changed"], 1);
    let second = owner.get(&narrow).await.expect(200);
    assert_eq!(second["schemas"][0]["tables"][0]["columns"][2]["name"], "paid");
    assert_ne!(second["changed_at"], first["changed_at"]);

    // What another tenant, or a key that is narrowed, may not see is not there.
    let other = server.with_key(&server.other_tenant("other").await);
    other.get(path).await.problem(404, "not_found");
    let narrowed = server.with_role("narrowed", "runner", json!({"servers": ["flights"]})).await;
    narrowed.get(path).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_expires_soon_says_so() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let soon = chrono::Utc::now() + chrono::TimeDelta::days(3);
    let made = owner.post("/v1/keys", &json!({"name": "desk", "role": "runner", "expires_at": soon})).await.expect(201);
    let warning = made["warnings"][0].as_str().unwrap();
    assert!(warning.contains(&soon.format("%Y-%m-%d").to_string()), "{warning}");
    assert_eq!(sync(&server, "key_rotation").await["keys"], 1);
    let purged = sync(&server, "purge").await;
    assert_eq!((&purged["keys"], &purged["finished"]), (&json!(0), &json!(true)));
}
