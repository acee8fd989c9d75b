//! The credentials of a source: when they are read, and what a call does when they cannot be.

use std::path::Path;

use emulator::Failure::{Refused, RefusedSaying};
use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Environment, Event};

use crate::{
    AUTH, EXECUTE, REGISTRY, SYNC,
    faults::{MARKED_FOR_DELETION, TIME, refused},
    tasks,
};

const PASSWORD: &str = "correct horse";
/// What the names of the sources' secrets begin with.
const SOURCES: &str = "tidegate/test/sources/";

fn post(cloud: &Cloud, path: &str, body: &Json) -> Event {
    Event::new("POST", path).key(&cloud.key).body(body)
}

/// A call that makes a source with credentials.
fn register(cloud: &Cloud) -> Event {
    let source = json!({"name": "locked", "connection": {"sqlite": {"path": "flights.sqlite"}},
                        "credentials": {"password": PASSWORD}});
    post(cloud, "/v1/sources", &source)
}

/// A call of a query on that source, which is made.
async fn locked(cloud: &Cloud) -> Event {
    let mut registry = cloud.function(REGISTRY).await;
    registry.call(&register(cloud)).await.expect(201);
    let query = json!({"name": "one", "description": "d", "source": "locked", "statement": "SELECT 1 AS one"});
    registry.call(&post(cloud, "/v1/queries", &query)).await.expect(201);
    post(cloud, "/v1/execute/one", &json!({"arguments": {}}))
}

/// What the log calls the credentials of that source by.
async fn whose(cloud: &Cloud) -> String {
    let mut function = cloud.function(AUTH).await;
    let me = function.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
    format!("the credentials of the source `locked` of the tenant {}", me["tenant_id"].as_str().unwrap())
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_said_with_their_source_and_heal() {
    let cloud = Cloud::start().await;
    let run = locked(&cloud).await;
    let whose = whose(&cloud).await;
    let name = cloud.emulator.secret_names().into_iter().find(|name| name.starts_with(SOURCES)).unwrap();
    let mut function = cloud.function(EXECUTE).await;
    for (failure, why) in [
        (Refused("AccessDeniedException"), "AccessDeniedException"),
        // The key of the secret is disabled, or the function may not use it.
        (
            RefusedSaying("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text"),
            "can't decrypt",
        ),
        (RefusedSaying("InvalidRequestException", MARKED_FOR_DELETION), "marked for deletion"),
    ] {
        cloud.emulator.fail("GetSecretValue", failure);
        refused(&mut function, &run, TIME, why).await;
        assert_eq!(function.logged(&whose).await.len(), 1, "{:#?}", function.log());
        cloud.emulator.heal();
        function.call(&run).await.expect(200);
        function = cloud.function(EXECUTE).await;
    }
    cloud.emulator.remove_secret(&name).unwrap();
    refused(&mut function, &run, TIME, &format!("{whose}: not_found")).await;
    let problem = function.call(&run).await.problem(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("save them again"), "{problem}");
    assert!(function.log().iter().all(|line| !line.contains(PASSWORD)), "{:#?}", function.log());
    cloud.emulator.put_secret(&name, &json!({"password": PASSWORD}).to_string()).unwrap();
    function.call(&run).await.expect(200);
}

#[tokio::test]
async fn a_task_that_cannot_read_credentials_says_whose() {
    let cloud = Cloud::start().await;
    locked(&cloud).await;
    let whose = whose(&cloud).await;
    let mut function = cloud.function(SYNC).await;
    cloud.emulator.fail("GetSecretValue", Refused("AccessDeniedException"));
    let (is_failure, report) = tasks::run(&mut function).await;
    assert!(is_failure, "{report}");
    let lines = function.logged(&whose).await;
    assert_eq!((lines.len(), &lines[0]["span"]["request_id"]), (1, &json!("call-1")), "{lines:#?}");
    cloud.emulator.heal();
    assert!(!tasks::run(&mut function).await.0);
}

#[tokio::test]
async fn credentials_that_cannot_be_encrypted_are_not_taken() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(REGISTRY).await;
    let event = register(&cloud);
    let failure = RefusedSaying("EncryptionFailure", "Secrets Manager can't encrypt the protected secret text");
    cloud.emulator.fail("CreateSecret", failure);
    refused(&mut function, &event, TIME, "EncryptionFailure").await;
    assert!(function.log().iter().all(|line| !line.contains(PASSWORD)), "{:#?}", function.log());
    cloud.emulator.heal();
    function.call(&event).await.expect(201);
}

#[tokio::test]
async fn a_warm_call_writes_its_execution_and_asks_for_nothing() {
    let cloud = Cloud::start().await;
    let run = locked(&cloud).await;
    let config = json!({"sqlite_folder": cloud.folder.path(), "cache_seconds": 600});
    let variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&config.to_string()));
    cloud.emulator.take_calls();
    let mut function = Environment::start(Path::new(EXECUTE), &variables).await;
    function.call(&run).await.expect(200);
    let cold = cloud.emulator.take_calls();
    // The master key and the credentials.
    assert_eq!(cold.iter().filter(|call| *call == "GetSecretValue").count(), 2, "{cold:?}");
    for _ in 0..3 {
        function.call(&run).await.expect(200);
        assert_eq!(cloud.emulator.take_calls(), ["BatchWriteItem"]);
    }
}
