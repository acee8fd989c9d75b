//! How many requests to DynamoDB a call makes, as `docs/operations/cost.md` says. Requests are counted by the spans that
//! the SDK opens for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tidegate_auth::AuthState;
use tidegate_execute::ExecuteState;
use tidegate_http::edge;
use tidegate_platform::{Environment, Platform, owner::make_tenant};
use tidegate_registry::RegistryState;
use tidegate_store::{LocalBackend, SystemClock, SystemIds};
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

static READS: AtomicUsize = AtomicUsize::new(0);
static WRITES: AtomicUsize = AtomicUsize::new(0);

/// Counts the requests of the SDK.
struct Counter;

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name().starts_with("DynamoDB.")
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let count = match span.metadata().name() {
            "DynamoDB.GetItem" | "DynamoDB.Query" => &READS,
            _ => &WRITES,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A deployment with one tenant.
struct Deployment {
    local: LocalBackend,
    key: SecretString,
    folder: TempDir,
}

impl Deployment {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // An empty file is an empty database.
        std::fs::write(folder.path().join("empty.sqlite"), "").unwrap();
        let local = LocalBackend::open(&folder.path().join("data")).await.unwrap();
        let made = make_tenant("acme".parse().unwrap(), &local.store, &SystemClock, &SystemIds).await;
        Self { local, key: made.unwrap().1.text, folder }
    }

    /// What a process has that has answered nothing.
    fn platform(&self, cache_seconds: u16) -> Platform {
        let environment =
            Environment { sqlite_folder: self.folder.path().to_owned(), cache_seconds, ..Environment::default() };
        Platform::new(environment, self.local.store.clone())
            .with_secrets(self.local.vault.clone(), Arc::clone(&self.local.key))
    }

    async fn process(&self, cache_seconds: u16) -> Process {
        let platform = self.platform(cache_seconds);
        let engine = platform.hosted_engine().unwrap();
        let router = Router::new()
            .merge(tidegate_auth::router(AuthState::new(&platform)))
            .merge(tidegate_registry::router(RegistryState::new(&platform, Arc::clone(&engine)).unwrap()))
            .merge(tidegate_execute::router(ExecuteState::new(&platform, engine)));
        let router = edge::layered(router, Arc::clone(&platform.ids), &platform.environment.caller_networks);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Process { platform, base, key: self.key.expose_secret().to_owned(), server }
    }
}

/// One process of the deployment.
struct Process {
    platform: Platform,
    base: String,
    key: String,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Process {
    /// The reads and writes of one call, its record included, as when a function is frozen behind it.
    async fn requests(&self, call: &Call) -> (usize, usize) {
        let (reads, writes) = (READS.load(Ordering::Relaxed), WRITES.load(Ordering::Relaxed));
        let mut request = reqwest::Client::new()
            .request(call.method.clone(), format!("{}{}", self.base, call.path))
            .timeout(Duration::from_secs(10))
            .bearer_auth(&self.key)
            .header("if-match", format!("\"{}\"", call.version));
        if call.is_idempotent {
            request = request.header("idempotency-key", "once");
        }
        let response = request.body(call.body.to_string()).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{}: {}", call.label, response.text().await.unwrap());
        self.platform.settle().await.unwrap();
        (READS.load(Ordering::Relaxed) - reads, WRITES.load(Ordering::Relaxed) - writes)
    }
}

struct Call {
    label: &'static str,
    method: Method,
    path: &'static str,
    version: u64,
    body: Json,
    is_idempotent: bool,
}

fn call(label: &'static str, method: Method, path: &'static str, version: u64, body: Json) -> Call {
    Call { label, method, path, version, body, is_idempotent: false }
}

fn source(name: &str) -> Json {
    json!({"name": name, "connection": {"sqlite": {"path": "empty.sqlite"}}})
}

/// One after the other, each in a process of its own.
fn cold_calls() -> Vec<Call> {
    let query = json!({"name": "one", "description": "one", "source": "empty", "statement": "SELECT 1 AS one"});
    let once = call("register a source, with `Idempotency-Key`", Method::POST, "/v1/sources", 0, source("other"));
    vec![
        call("register a source", Method::POST, "/v1/sources", 0, source("empty")),
        Call { is_idempotent: true, ..once },
        call("register a query", Method::POST, "/v1/queries", 0, query.clone()),
        call(
            "register a server of one query",
            Method::POST,
            "/v1/servers",
            0,
            json!({"name": "desk", "queries": ["one"]}),
        ),
        call("make an API key", Method::POST, "/v1/keys", 0, json!({"name": "app", "role": "runner"})),
        call("run a query by name", Method::POST, "/v1/execute/one", 0, json!({})),
        call("read a query by name", Method::GET, "/v1/queries/one", 0, Json::Null),
        call("list queries", Method::GET, "/v1/queries", 0, Json::Null),
        call("read a page of the history", Method::GET, "/v1/executions", 0, Json::Null),
        call("replace a query", Method::PUT, "/v1/queries/one", 1, query),
        call("delete a server", Method::DELETE, "/v1/servers/desk", 1, Json::Null),
        call("delete a query", Method::DELETE, "/v1/queries/one", 2, Json::Null),
    ]
}

#[tokio::test]
async fn a_call_makes_as_many_requests_to_dynamodb_as_the_page_on_cost_says() {
    // More than one provider of cryptography is linked, and then none is chosen by itself.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    tracing::subscriber::set_global_default(Counter).unwrap();
    let deployment = Deployment::start().await;
    let mut rows = Vec::new();
    for call in cold_calls() {
        let process = deployment.process(600).await;
        let (reads, writes) = process.requests(&call).await;
        rows.push(format!("| {}, cold | {reads} | {writes} |", call.label));
        if call.path == "/v1/execute/one" {
            let (reads, writes) = process.requests(&call).await;
            assert!(reads <= 1 && writes <= 1, "a warm call makes {reads} reads and {writes} writes");
            rows.push(format!("| {}, warm | {reads} | {writes} |", call.label));
            let forgetful = deployment.process(0).await;
            forgetful.requests(&call).await;
            let (reads, writes) = forgetful.requests(&call).await;
            rows.push(format!("| {}, after `cache_seconds` | {reads} | {writes} |", call.label));
        }
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/cost.md")).unwrap();
    assert!(page.contains(&rows.join("\n")), "docs/operations/cost.md should have these rows:\n{}", rows.join("\n"));
}
