//! How calls and environments end.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use emulator::Failure;
use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Environment, Event};

use crate::{AUTH, EXECUTE, MCP, REGISTRY};

/// How much later than it has to something may be seen to end, on a machine that does other things too. What does not end
/// by itself takes seconds more.
const SLACK: Duration = Duration::from_secs(1);

/// The time that Lambda gives the calls here.
const TIME: Duration = Duration::from_millis(1500);

/// The time that Lambda gives an environment to end.
const END: Duration = Duration::from_millis(500);

/// A statement that runs for minutes.
const ENDLESS: &str = "WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c) SELECT count(*) FROM c";

fn raw(cloud: &Cloud, sql: &str) -> Event {
    Event::new("POST", "/v1/execute/raw").key(&cloud.key).body(json!({"source": "flights", "sql": sql}))
}

async fn executions(cloud: &Cloud) -> Vec<Json> {
    let mut function = cloud.function(EXECUTE).await;
    let page = function.call(&Event::new("GET", "/v1/executions").key(&cloud.key)).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_history_is_written_before_the_answer_leaves() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let outcome = function.invoke(&raw(&cloud, "SELECT 1 AS one"), Duration::from_secs(9)).await.unwrap();
    // Killed at the first byte of the answer.
    drop((function, outcome));
    let records = executions(&cloud).await;
    assert_eq!((records.len(), &records[0]["rows"]), (1, &json!(1)));
}

#[tokio::test]
async fn a_call_ends_by_itself_before_lambda_ends_it() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let endless = raw(&cloud, ENDLESS);
    let began = Instant::now();
    function.call_within(&endless, TIME).await.problem(504, "timeout");
    assert!(began.elapsed() < TIME + SLACK, "{:?}", began.elapsed());
    let began = Instant::now();
    function.call(&endless.header("x-request-timeout", "200")).await.problem(504, "timeout");
    assert!(began.elapsed() < TIME + SLACK, "{:?}", began.elapsed());
    let records = executions(&cloud).await;
    assert_eq!(records.iter().map(|record| &record["error"]).collect::<Vec<_>>(), ["timeout", "timeout"]);
}

#[tokio::test]
async fn a_call_ends_in_time_when_the_store_does_not_answer() {
    let cloud = Cloud::start().await;
    for (program, path) in [(AUTH, "/v1/me"), (REGISTRY, "/v1/queries"), (EXECUTE, "/v1/executions")] {
        let mut function = cloud.function(program).await;
        for operation in ["GetItem", "Query"] {
            cloud.emulator.fail(operation, Failure::Silent);
        }
        let event = Event::new("GET", path).key(&cloud.key);
        let began = Instant::now();
        function.call_within(&event, TIME).await.problem(504, "timeout");
        assert!(began.elapsed() < TIME + SLACK, "{path}: {:?}", began.elapsed());
        cloud.emulator.heal();
        function.call(&event).await.expect(200);
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_ever_for_the_history() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    for operation in ["TransactWriteItems", "BatchWriteItem", "PutItem"] {
        cloud.emulator.fail(operation, Failure::Silent);
    }
    let event = raw(&cloud, "SELECT 1 AS one");
    let began = Instant::now();
    function.call_within(&event, TIME).await.expect(200);
    assert!(began.elapsed() < TIME + SLACK, "{:?}", began.elapsed());
    assert_eq!(function.logged("before everything was written").await.len(), 1);
    // It is not lost: what waits is written with the next.
    cloud.emulator.heal();
    function.call(&event).await.expect(200);
    assert_eq!(executions(&cloud).await.len(), 2);
}

#[tokio::test]
async fn a_frozen_environment_goes_on_with_what_has_changed_meanwhile() {
    let mut cloud = Cloud::start().await;
    let variables = |cloud: &Cloud| {
        let config = json!({"sqlite_folder": cloud.folder.path(), "cache_seconds": 1});
        cloud.variables_with("TIDEGATE_CONFIG", Some(&config.to_string()))
    };
    let mut auth = cloud.function(AUTH).await;
    let make = Event::new("POST", "/v1/keys").key(&cloud.key).body(json!({"name": "k", "role": "viewer"}));
    let made = auth.call(&make).await.expect(201);
    let mut function = Environment::start(Path::new(EXECUTE), &variables(&cloud)).await;
    let by_key = Event::new("GET", "/v1/executions").key(made["key"].as_str().unwrap());
    function.call(&by_key).await.expect(200);
    function.call(&raw(&cloud, "SELECT 1 AS one")).await.expect(200);

    function.freeze();
    let revoke = Event::new("DELETE", "/v1/keys/k").key(&cloud.key).header("if-match", "\"1\"");
    assert!(auth.call(&revoke).await.status.is_success());
    // What the network keeps of an idle connection is gone too.
    cloud.network.down().await;
    cloud.network.up().await;
    // A lifetime of the cache passes; nothing can be polled in a process that stands still.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    function.thaw();
    function.call(&by_key).await.problem(401, "unauthenticated");
    function.call(&raw(&cloud, "SELECT 1 AS one")).await.expect(200);
    auth.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
}

#[tokio::test]
async fn an_environment_ends_when_it_is_told_to() {
    let cloud = Cloud::start().await;
    for program in [AUTH, EXECUTE, REGISTRY, MCP] {
        let mut function = cloud.function(program).await;
        function.call(&Event::new("GET", "/health")).await.expect(200);
        let (status, took) = function.terminate().await;
        assert!(status.success() && took < END + SLACK, "{program}: {status} after {took:?}");
    }
    // Also while the store does not answer and something waits to be written.
    let mut function = cloud.function(EXECUTE).await;
    for operation in ["TransactWriteItems", "BatchWriteItem", "PutItem"] {
        cloud.emulator.fail(operation, Failure::Silent);
    }
    function.call_within(&raw(&cloud, "SELECT 1 AS one"), Duration::from_millis(1000)).await.expect(200);
    let (status, took) = function.terminate().await;
    assert!(status.success() && took < END + SLACK, "{status} after {took:?}");
}

#[tokio::test]
async fn what_waits_to_be_written_is_written_at_the_end() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    for operation in ["TransactWriteItems", "BatchWriteItem", "PutItem"] {
        cloud.emulator.fail(operation, Failure::Silent);
    }
    function.call_within(&raw(&cloud, "SELECT 1 AS one"), Duration::from_millis(800)).await.expect(200);
    function.freeze();
    cloud.emulator.heal();
    // While it is frozen, the time of the attempt that got no answer passes; there is nothing to poll.
    tokio::time::sleep(Duration::from_millis(3200)).await;
    let (status, _) = function.terminate().await;
    assert!(status.success());
    assert_eq!(executions(&cloud).await.len(), 1, "{:#?}", function.log());
}

#[tokio::test]
async fn an_environment_without_memory_leaves_nothing_half_written() {
    let cloud = Cloud::start().await;
    let mut endings = Vec::new();
    for (number, more) in [0, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 64 << 20].into_iter().enumerate() {
        let name = format!("s{number}");
        let source = json!({"name": name, "connection": {"sqlite": {"path": "flights.sqlite"}},
                            "credentials": {"password": "x".repeat(1000)}});
        let create = Event::new("POST", "/v1/sources").key(&cloud.key).body(&source);
        let mut function = cloud.function(REGISTRY).await;
        function.limit_memory(more);
        let ended = match function.invoke(&create, Duration::from_secs(9)).await {
            None => "died".to_owned(),
            Some(mut outcome) => String::from_utf8_lossy(&outcome.rest().await).into_owned(),
        };
        drop(function);
        // The next environment finds a whole source, or none and makes it.
        let mut next = cloud.function(REGISTRY).await;
        let read = Event::new("GET", &format!("/v1/sources/{name}")).key(&cloud.key);
        if next.call(&read).await.status == 404 {
            next.call(&create).await.expect(201);
        }
        next.call(&read).await.expect(200);
        endings.push(ended);
    }
    assert!(endings.iter().any(|ended| ended == "died"), "{endings:#?}");
}

#[tokio::test]
async fn little_memory_is_enough_to_start() {
    let cloud = Cloud::start().await;
    let mut command = Command::new("prlimit");
    command.args(["--as=1073741824", AUTH]);
    let mut function = Environment::run(command, &cloud.variables()).await;
    function.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
}
