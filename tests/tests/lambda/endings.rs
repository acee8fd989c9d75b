//! How calls and environments end.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, http::Request};
use chrono::{DateTime, Utc};
use emulator::Failure;
use secrecy::ExposeSecret;
use serde_json::json;
use tests::{
    found,
    lambda::{Cloud, Environment, Event},
};
use tidegate::dev::start_on_free_port;
use tidegate_core::{
    ErrorCode,
    deadline::Deadline,
    execution::ExecutionFilter,
    ports::{Clock, Executions},
};
use tidegate_execute::ExecuteState;
use tidegate_http::{PlatformDeadline, edge};
use tidegate_platform::Platform;
use tidegate_store::{LocalBackend, SystemClock};
use tower::ServiceExt;

use crate::{AUTH, EXECUTE, MCP, REGISTRY, SYNC, executions, raw, tasks::TASK, tools};

/// How much later than it has to something may be seen to end, on a machine that does other things too. What does not end
/// by itself takes seconds more.
const SLACK: Duration = Duration::from_secs(2);

/// The time that Lambda gives the calls here.
const TIME: Duration = Duration::from_millis(1500);

/// The time that Lambda gives an environment to end.
const END: Duration = Duration::from_millis(500);

/// A statement that runs for minutes.
const ENDLESS: &str = "WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c) SELECT count(*) FROM c";

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

/// An hour later than it is. What has its end by this clock is not over when a call is.
struct HourAhead;

impl Clock for HourAhead {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    fn instant(&self) -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }
}

#[tokio::test]
async fn the_record_of_a_call_that_was_ended_is_written_before_its_answer_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_on_free_port(folder.path()).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    let key = format!("Bearer {}", server.api_key().expose_secret());
    server.stop().await.unwrap_or_else(|failure| panic!("{failure:?}"));
    // What works behind the calls of a server may hold its folder for a moment longer.
    let open = async || LocalBackend::open(folder.path()).await.ok();
    let local = found("the folder", Duration::from_secs(10), open).await;
    let environment = tidegate_platform::Environment { sqlite_folder: folder.path().into(), ..Default::default() };
    let mut platform = Platform::new(environment, local.store.clone()).with_secrets(local.vault, local.key);
    platform.clock = Arc::new(HourAhead);
    let engine = platform.hosted_engine().unwrap();
    let router = tidegate_execute::router(ExecuteState::new(&platform, engine));
    let router = edge::layered(router, Arc::clone(&platform.ids), &platform.environment.caller_networks);

    let body = json!({"source": "flights", "sql": ENDLESS}).to_string();
    let mut request = Request::post("/v1/execute/raw").header("authorization", key);
    request = request.header("content-type", "application/json");
    // What the edge keeps back, and time for the call to come to its statement.
    request = request.extension(PlatformDeadline(Deadline::after(Instant::now(), Duration::from_millis(800))));
    let response = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    assert_eq!(response.status(), 503);
    // What Lambda's layer does before the answer leaves.
    platform.settle().await.unwrap();
    let tenant = platform.tenants.find(&"demo".parse().unwrap()).await.unwrap().unwrap();
    let page = local.store.page(tenant.id, &ExecutionFilter::default(), None, 10).await.unwrap();
    assert_eq!(page.items.iter().map(|it| it.error).collect::<Vec<_>>(), [Some(ErrorCode::Cancelled)]);
}

#[tokio::test]
async fn a_call_ends_in_time_when_the_store_does_not_answer() {
    let cloud = Cloud::start().await;
    let get = |path: &str| Event::new("GET", path).key(&cloud.key);
    for (program, event) in
        [(AUTH, get("/v1/me")), (REGISTRY, get("/v1/queries")), (EXECUTE, get("/v1/executions")), (MCP, tools(&cloud))]
    {
        let mut function = cloud.function(program).await;
        for operation in ["GetItem", "Query"] {
            cloud.emulator.fail(operation, Failure::Silent);
        }
        let began = Instant::now();
        let answer = function.call_within(&event, TIME).await;
        answer.problem(503, "unavailable");
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.json().get("jsonrpc").is_some(), program == MCP, "{}", answer.text);
        assert!(began.elapsed() < TIME + SLACK, "{event:?}: {:?}", began.elapsed());
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
    // A lifetime of the cache.
    function.frozen_for(Duration::from_millis(1200)).await;
    function.call(&by_key).await.problem(401, "unauthenticated");
    function.call(&raw(&cloud, "SELECT 1 AS one")).await.expect(200);
    auth.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
}

#[tokio::test]
async fn an_environment_ends_when_it_is_told_to() {
    let cloud = Cloud::start().await;
    for program in [AUTH, EXECUTE, REGISTRY, MCP, SYNC] {
        let mut function = cloud.function(program).await;
        if program == SYNC {
            let task = Event::from(json!({"task": "purge"}));
            assert!(!function.invoke(&task, TASK).await.unwrap().is_failure);
            function.idle().await;
        } else {
            function.call(&Event::new("GET", "/nothing")).await.problem(404, "not_found");
        }
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
    // Longer than the attempt that got no answer waits for one.
    function.frozen_for(Duration::from_millis(3200)).await;
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
