//! How many of each one tenant may have.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{Answer, Client, TestServer};
use tidegate_core::{
    ErrorCode,
    id::{ServerId, TenantId},
    idempotency::IdempotentRequest,
    ports::{Clock, Ids, Repository},
    quota::Quotas,
    server::Server,
};
use tidegate_http::idempotency;
use tidegate_platform::Environment;
use tidegate_store::{LocalBackend, SystemClock, SystemIds};
use tokio::task::JoinSet;

/// A server on which a tenant may have so many.
async fn with_quotas(quotas: Quotas) -> TestServer {
    TestServer::in_environment(Environment { quotas, ..Environment::default() }).await
}

/// The demo has one source, eight queries, one server and one key: each kind has room for one more.
const ONE_MORE: Quotas = Quotas { sources: 2, queries: 9, servers: 2, keys: 2 };

/// Each list that can be added to, with its quota, and what adds one to it.
fn lists(server: &TestServer) -> [(&'static str, u16, Json); 4] {
    let file = server.folder.path().join("flights.sqlite");
    [
        ("sources", ONE_MORE.sources, json!({"connection": {"sqlite": {"path": file}}})),
        ("queries", ONE_MORE.queries, json!({"description": "d", "source": "flights", "statement": "SELECT 1 AS one"})),
        ("servers", ONE_MORE.servers, json!({})),
        ("keys", ONE_MORE.keys, json!({"role": "runner"})),
    ]
}

async fn make(client: &Client, list: &str, mut body: Json, name: &str) -> Answer {
    body["name"] = json!(name);
    let (path, key) = (format!("/v1/{list}"), format!("{list}-{name}"));
    client.send(Method::POST, &path, &[("idempotency-key", &key)], Some(body.to_string())).await
}

#[tokio::test]
async fn a_tenant_is_refused_one_more_than_its_quota_until_there_is_room() {
    let server = with_quotas(ONE_MORE).await;
    let owner = server.owner();
    let quotas = owner.get("/v1/me").await.expect(200)["quotas"].clone();
    assert_eq!(quotas, json!({"sources": 2, "queries": 9, "servers": 2, "keys": 2}));
    for (list, quota, body) in lists(&server) {
        make(&owner, list, body.clone(), "last").await.expect(201);
        let refused = make(&owner, list, body.clone(), "beyond").await.problem(422, "limit_exceeded");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("as it may, {quota}; ")), "{detail}");
        assert!(detail.ends_with(&format!("ask the operator to raise `quotas.{list}`")), "{detail}");
        let listed = owner.get(&format!("/v1/{list}?limit=100")).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), usize::from(quota), "{list}");

        // What was made before is answered again, and takes no room.
        let again = make(&owner, list, body.clone(), "last").await;
        if list == "keys" {
            again.problem(409, "already_exists");
        } else {
            assert_eq!(again.expect(201)["name"], "last");
            assert_eq!(again.headers["idempotency-replayed"], "true");
        }

        owner.delete(&format!("/v1/{list}/last"), 1).await;
        make(&owner, list, body.clone(), "beyond").await.expect(201);
        make(&owner, list, body, "another").await.problem(422, "limit_exceeded");
    }
}

#[tokio::test]
async fn each_tenant_has_a_quota_of_its_own() {
    let server = with_quotas(ONE_MORE).await;
    make(&server.owner(), "servers", json!({}), "last").await.expect(201);
    make(&server.owner(), "servers", json!({}), "beyond").await.problem(422, "limit_exceeded");
    let other = server.with_key(&server.other_tenant("acme").await);
    for name in ["one", "two"] {
        make(&other, "servers", json!({}), name).await.expect(201);
    }
    make(&other, "servers", json!({}), "three").await.problem(422, "limit_exceeded");
}

#[tokio::test]
async fn a_change_of_what_there_is_needs_no_room() {
    let server = with_quotas(ONE_MORE).await;
    let owner = server.owner();
    make(&owner, "servers", json!({}), "last").await.expect(201);
    owner.put("/v1/servers/last", 1, &json!({"name": "last", "description": "changed"})).await.expect(200);
}

#[tokio::test]
async fn a_key_that_does_not_work_any_more_takes_no_room() {
    let server = with_quotas(ONE_MORE).await;
    let owner = server.owner();
    let key = |name: &str| json!({"name": name, "role": "runner"});
    let expiring = json!({"name": "short", "role": "runner", "expires_at": Utc::now() + TimeDelta::seconds(2)});
    owner.post("/v1/keys", &expiring).await.expect(201);
    owner.post("/v1/keys", &key("next")).await.problem(422, "limit_exceeded");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while owner.post("/v1/keys", &key("next")).await.status != 201 {
        assert!(tokio::time::Instant::now() < deadline, "the key that has expired takes room");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The list of keys that were revoked does not grow without end.
    let mut made = 3;
    let refused = loop {
        owner.delete("/v1/keys/next", 1).await;
        owner.delete(&format!("/v1/keys/key-{made}"), 1).await;
        made += 1;
        let answer = owner.post("/v1/keys", &key(&format!("key-{made}"))).await;
        if answer.status != 201 {
            break answer.problem(422, "limit_exceeded");
        }
        assert!(made < 200, "there is no end");
    };
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("this tenant has more than 100 API keys, most of which do not work any more; "),
        "{detail}"
    );
}

#[tokio::test]
async fn a_request_that_comes_many_times_at_once_gets_the_last_room_each_time() {
    let server = with_quotas(ONE_MORE).await;
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let owner = server.owner();
        requests.spawn(async move { make(&owner, "servers", json!({}), "last").await.expect(201)["id"].clone() });
    }
    let ids = requests.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn a_request_whose_repetition_took_the_last_room_meanwhile_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalBackend::open(folder.path()).await.unwrap().store.clone();
    let servers: &dyn Repository<Server> = &store;
    let quotas = Quotas { servers: 1, ..Quotas::default() };
    let tenant = TenantId::from_uuid(SystemIds.uuid());
    let now = SystemClock.now();
    let server = Server {
        id: ServerId::from_uuid(SystemIds.uuid()),
        tenant,
        spec: serde_json::from_value(json!({"name": "last"})).unwrap(),
        query_ids: vec![],
        source_ids: vec![],
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let request = |key: &str| IdempotentRequest { key: key.to_owned(), fingerprint: "same".to_owned(), at: now };
    let first = request("first");
    let room = async {
        idempotency::create(servers, &server, Some(&first)).await?;
        quotas.expect_room(servers, tenant).await
    };
    let made = idempotency::begin(servers, tenant, Some(&first), room).await.unwrap();
    assert_eq!(made.map(|made| made.id), Some(server.id));
    for request in [Some(&request("second")), None] {
        let room = quotas.expect_room(servers, tenant);
        let refused = idempotency::begin(servers, tenant, request, room).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::LimitExceeded);
    }
}
