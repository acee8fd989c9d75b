//! Spans, as a collector gets them.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value as Json, json};
use tests::{
    PATIENCE,
    collector::{Collector, Manner, Span},
    found,
    lambda::{Cloud, Environment, Event},
    until,
};
use tokio::net::TcpListener;

use crate::{AUTH, EXECUTE, MCP, REGISTRY, SYNC, raw, raw_as, tasks::TASK, tools};

/// What the Runtime API of these tests tells of X-Ray.
const X_RAY: (&str, &str) = ("5bef4de7ad49b0e87f6ef6c87fc2e700", "9a9197af755a6419");

/// The time that Lambda gives a call when it matters here. Nothing that a collector does may take all of it.
const TIME: Duration = Duration::from_secs(12);

/// An environment of a function that sends its spans there.
async fn function(cloud: &Cloud, program: &str, endpoint: &str) -> Environment {
    let mut variables = cloud.variables_with("OTEL_EXPORTER_OTLP_ENDPOINT", Some(endpoint));
    variables.push(("OTEL_SERVICE_NAME".to_owned(), "tidegate-test".to_owned()));
    Environment::start(Path::new(program), &variables).await
}

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The span of the request and those of its way to sources, of which there are so many.
async fn of_call(collector: &Collector, sources: usize) -> (Span, Vec<Span>) {
    let mut spans = collector.all(sources + 1).await;
    let request = spans.pop().unwrap();
    assert_eq!(request.kind, SpanKind::Server, "{request:#?}");
    for span in &spans {
        assert_eq!((&span.trace, &span.parent), (&request.trace, &request.id), "{span:#?}");
        assert!(span.kind == SpanKind::Client && span.nanoseconds <= request.nanoseconds, "{span:#?}");
    }
    (request, spans)
}

#[tokio::test]
async fn a_call_and_its_way_to_the_source_are_told_before_the_answer_leaves() {
    let (cloud, collector) = (Cloud::start().await, Collector::start().await);
    let mut function = function(&cloud, EXECUTE, &collector.endpoint).await;
    let sql = "SELECT 'hidden value' AS hidden_name";
    let outcome = function.invoke(&raw(&cloud, sql), TIME).await.unwrap();
    // Killed at the first byte of the answer.
    drop((function, outcome));
    assert_eq!(collector.requests(), 1);

    let (request, sources) = of_call(&collector, 1).await;
    assert_eq!((&*request.service, &*request.name), ("tidegate-test", "POST /v1/execute/raw"));
    assert_eq!((&*request.trace, &*request.parent), X_RAY);
    let request_id = request.attribute("request_id").to_owned();
    assert!(request_id.len() == 36, "{request_id}");
    assert_eq!(
        request.attributes,
        attributes(&[
            ("http.request.method", "POST"),
            ("http.response.status_code", "200"),
            ("http.route", "/v1/execute/raw"),
            ("request_id", &request_id),
            ("url.scheme", "https"),
        ])
    );
    assert_eq!(sources[0].name, "sqlite");
    assert_eq!(sources[0].attributes, attributes(&[("db.system.name", "sqlite")]));
    assert!(!request.is_error && !sources[0].is_error);
    // Neither the statement nor its values, nor the source, nor who called.
    let text = collector.text();
    let secret = cloud.key.rsplit('_').next().unwrap();
    for kept_back in ["hidden", "SELECT", "flights", "demo", "192.0.2.1", secret] {
        assert!(!text.contains(kept_back), "{kept_back}: {text}");
    }
}

#[tokio::test]
async fn every_function_tells_the_route_and_not_what_tenants_named() {
    let cloud = Cloud::start().await;
    let get = |path: &str| Event::new("GET", path).key(&cloud.key);
    let run = Event::new("POST", "/v1/execute/list_airlines").key(&cloud.key).body("{}");
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "list_airlines", "arguments": {}}});
    for (program, event, name, sources, status) in [
        (REGISTRY, get("/v1/sources/no-such-source"), "GET /v1/sources/{source}", 0, "404"),
        (AUTH, get("/nothing/here"), "GET", 0, "404"),
        (AUTH, Event::new("BREW", "/v1/me"), "HTTP /v1/me", 0, "405"),
        (EXECUTE, run, "POST /v1/execute/{query}", 1, "200"),
        (MCP, tools(&cloud).body(call), "POST /t/{tenant}/mcp/{server}", 1, "200"),
    ] {
        let collector = Collector::start().await;
        let mut function = function(&cloud, program, &collector.endpoint).await;
        let answer = function.call(&event).await;
        let (request, _) = of_call(&collector, sources).await;
        assert_eq!((&*request.name, request.attribute("http.response.status_code")), (name, status), "{event:?}");
        assert_eq!(request.attribute("request_id"), answer.headers["x-request-id"]);
        // What the caller did wrong is no error of the server.
        assert!(!request.is_error, "{request:#?}");
        assert_eq!(request.attributes.contains_key("http.route"), name.contains('/'));
        assert_eq!(request.attribute("http.request.method") == "_OTHER", name.starts_with("HTTP"), "{request:#?}");
    }
}

#[tokio::test]
async fn what_fails_is_an_error_of_its_span() {
    let (cloud, collector) = (Cloud::start().await, Collector::start().await);
    let mut execute = function(&cloud, EXECUTE, &collector.endpoint).await;
    execute.call(&raw(&cloud, "SELECT hidden_column FROM airlines")).await.problem(422, "database_error");
    let (request, sources) = of_call(&collector, 1).await;
    assert!(!request.is_error && sources[0].is_error);
    assert_eq!(sources[0].attribute("error.type"), "database_error");
    assert!(!collector.text().contains("hidden"));

    let collector = Collector::start().await;
    let mut auth = function(&cloud, AUTH, &collector.endpoint).await;
    cloud.emulator.fail("GetItem", emulator::Failure::Silent);
    cloud.emulator.fail("Query", emulator::Failure::Silent);
    let me = Event::new("GET", "/v1/me").key(&cloud.key);
    auth.call_within(&me, Duration::from_millis(1500)).await.problem(503, "unavailable");
    let (request, _) = of_call(&collector, 0).await;
    assert!(request.is_error);
    assert_eq!(request.attribute("error.type"), "503");
}

#[tokio::test]
async fn a_caller_s_trace_goes_on() {
    let cloud = Cloud::start().await;
    let me = || Event::new("GET", "/v1/me").key(&cloud.key);
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let traceparent = |flags: &str| me().header("traceparent", &format!("00-{trace}-{parent}-{flags}"));
    for (event, expected) in [
        (traceparent("01"), (trace, parent)),
        // What else a caller tells of itself is not exported: the collector takes no `trace_state`.
        (traceparent("01").header("tracestate", "vendor=of-the-caller"), (trace, parent)),
        // What cannot be read is as if it were not there.
        (me().header("traceparent", "00-nothing-01"), X_RAY),
        (me().header("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678"), X_RAY),
        (me(), X_RAY),
    ] {
        let collector = Collector::start().await;
        function(&cloud, AUTH, &collector.endpoint).await.call(&event).await.expect(200);
        let (request, _) = of_call(&collector, 0).await;
        assert_eq!((&*request.trace, &*request.parent), expected, "{event:?}");
    }
    // A caller that keeps no spans of its own keeps none of ours.
    let collector = Collector::start().await;
    let mut function = function(&cloud, AUTH, &collector.endpoint).await;
    function.call(&traceparent("00")).await.expect(200);
    function.call(&traceparent("01")).await.expect(200);
    assert_eq!(collector.all(1).await.len(), 1);
}

#[tokio::test]
async fn a_stream_is_told_when_it_has_ended() {
    let (cloud, collector) = (Cloud::start().await, Collector::start().await);
    let mut function = function(&cloud, EXECUTE, &collector.endpoint).await;
    let event = raw_as(&cloud, "ndjson", "SELECT 1 AS one", json!({})).over_url();
    assert_eq!(function.call(&event).await.status, 200);
    assert_eq!(collector.requests(), 1);
    of_call(&collector, 1).await;
}

#[tokio::test]
async fn a_task_is_told_with_its_sources_before_it_is_over() {
    let (cloud, collector) = (Cloud::start().await, Collector::start().await);
    let mut function = function(&cloud, SYNC, &collector.endpoint).await;
    let mut outcome = function.invoke(&Event::from(json!({"task": "source_health"})), TASK).await.unwrap();
    let counted: Json = serde_json::from_slice(&outcome.rest().await).unwrap();
    assert_eq!((outcome.is_failure, &counted["ok"]), (false, &json!(1)), "{counted}");
    let (task, sources) = of_call(&collector, 1).await;
    assert_eq!((&*task.name, &*sources[0].name), ("source_health", "sqlite"));
    assert_eq!(task.attributes, attributes(&[("faas.trigger", "timer")]));
    assert!(!task.is_error);
}

#[tokio::test]
async fn a_local_server_tells_its_calls_while_it_runs() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-measured"));
    command.args(["dev", "--port", "0", "--data-dir"]).arg(folder.path());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = command.spawn().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_tidegate-measured"));
    run.args(["run", "list_airlines", "--data-dir"]).arg(folder.path());
    let is_answered = async || run.output().unwrap().status.success();
    until("the server", PATIENCE, is_answered).await;
    let name = "POST /v1/execute/{query}";
    let request = found(name, PATIENCE, async || collector.spans().into_iter().find(|span| span.name == name)).await;
    server.kill().unwrap();
    server.wait().unwrap();
    let spans = collector.spans();
    let source = spans.iter().find(|span| span.parent == request.id).unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!((&*source.name, &*request.service, &*request.parent), ("sqlite", "tidegate", ""));
    assert_eq!(request.attribute("url.scheme"), "http");
}

#[tokio::test]
async fn a_collector_that_fails_costs_one_line_and_hardly_any_time() {
    let cloud = Cloud::start().await;
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let refuses = Collector::that(Manner::Refuses).await;
    let silent = Collector::that(Manner::Silent).await;
    for (endpoint, collector) in [(&dead, None), (&refuses.endpoint, Some(&refuses)), (&silent.endpoint, Some(&silent))]
    {
        let mut function = function(&cloud, EXECUTE, endpoint).await;
        let began = Instant::now();
        for _ in 0..5 {
            function.call_within(&raw(&cloud, "SELECT 1 AS one"), TIME).await.expect(200);
        }
        // One of them that waits as long as it can takes all of its time.
        assert!(began.elapsed() < TIME / 2, "{endpoint}: {:?}", began.elapsed());
        assert_eq!(function.logged("spans are lost").await.len(), 1, "{:#?}", function.log());
        assert!(function.log().iter().all(|line| !line.contains("before everything was written")));
        // It is left alone for a while.
        assert_eq!(collector.map_or(1, Collector::requests), 1, "{endpoint}");
        let (status, _) = function.terminate().await;
        assert!(status.success());
    }
    // Nor is a call lost that has hardly any time left.
    let mut function = function(&cloud, EXECUTE, &silent.endpoint).await;
    cloud.emulator.fail("GetItem", emulator::Failure::Silent);
    let time = Duration::from_millis(1500);
    function.call_within(&raw(&cloud, "SELECT 1 AS one"), time).await.problem(503, "unavailable");
    function.logged("spans are lost").await;
    assert!(function.log().iter().all(|line| !line.contains("before everything was written")));
}

#[tokio::test]
async fn a_wrong_address_of_a_collector_is_one_line_of_the_log() {
    let cloud = Cloud::start().await;
    for wrong in ["nonsense", "localhost:4318", "ftp://localhost", "http://"] {
        let mut function = function(&cloud, AUTH, wrong).await;
        function.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
        let lines = function.logged("OTEL_EXPORTER_OTLP_ENDPOINT").await;
        assert_eq!(lines.len(), 1, "{wrong}: {lines:#?}");
        assert!(lines[0]["reason"].as_str().unwrap().contains("http://localhost:4318"), "{lines:#?}");
    }
}

#[tokio::test]
async fn the_log_is_the_same_with_a_collector() {
    let (cloud, collector) = (Cloud::start().await, Collector::start().await);
    let mut logs = Vec::new();
    for endpoint in [None, Some(&*collector.endpoint)] {
        let mut variables = cloud.variables_with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        variables.push(("TIDEGATE_LOG".to_owned(), "warn,tidegate=trace,tidegate_http=trace".to_owned()));
        let mut function = Environment::start(Path::new(EXECUTE), &variables).await;
        function.call(&raw(&cloud, "SELECT wrong")).await.problem(422, "database_error");
        function.logged("answered").await;
        let lines = function.log().into_iter().map(|line| serde_json::from_str::<Json>(&line).unwrap());
        let shape = lines.map(|line| {
            let names = |value: &Json| value.as_object().into_iter().flat_map(|it| it.keys()).cloned().collect();
            let [fields, of_span]: [Vec<String>; 2] = [names(&line), names(&line["span"])];
            (line["message"].clone(), fields, of_span)
        });
        logs.push(shape.collect::<Vec<_>>());
    }
    assert_eq!(logs[0], logs[1]);
    assert!(logs[0].iter().any(|(_, _, of_span)| of_span == &["request_id", "name"]), "{logs:#?}");
    assert_eq!(collector.spans().len(), 2);
}
