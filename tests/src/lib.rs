//! What the end-to-end tests share: a server with the demo in a temporary folder, and a client of it.

pub mod collector;
pub mod lambda;
pub mod proxy;

use std::{
    env, fs,
    net::IpAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use reqwest::{Method, StatusCode, Url, header::HeaderMap};
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tidegate::dev::{LocalServer, start_in_environment};
use tidegate_platform::Environment;

/// How long anything may take that has no tighter bound.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A server of its own for one test, gone with it.
pub struct TestServer {
    pub server: LocalServer,
    pub folder: TempDir,
    http: reqwest::Client,
}

/// Where a journey goes through: a deployment that the environment names, or a server of this test.
pub struct Deployment {
    /// Its owner.
    pub owner: Client,
    /// The name of the tenant.
    pub tenant: String,
    /// Whether it runs on this machine, as far as its address says.
    pub is_local: bool,
    _server: Option<TestServer>,
}

/// A caller of a server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null when it is empty.
    pub fn json(&self) -> Json {
        if self.text.is_empty() {
            return Json::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body, after making sure of the status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Json {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    /// Makes sure that this is a problem with this status and code, and gives it back. MCP routes wrap it in JSON-RPC.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Json {
        let mut body = self.expect(status);
        if body.get("jsonrpc").is_some() {
            assert_eq!(self.headers["content-type"], "application/json");
            assert_eq!(body["error"]["message"], body["error"]["data"]["detail"]);
            body = body["error"]["data"].take();
        } else {
            assert_eq!(self.headers["content-type"], "application/problem+json");
        }
        assert_eq!(body["code"], code, "{body:#}");
        assert_eq!(body["status"], status);
        assert_eq!(self.headers["x-request-id"], body["request_id"].as_str().unwrap());
        assert!(!body["detail"].as_str().unwrap().is_empty());
        body
    }
}

/// A name that nothing else on a shared database server has: the prefix and a number.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos())
}

/// Polls until `ready` says so; fails after `patience`.
pub async fn until(what: &str, patience: Duration, mut ready: impl AsyncFnMut() -> bool) {
    found(what, patience, async || ready().await.then_some(())).await;
}

/// Polls until there is something, and gives it back; fails after `patience`.
pub async fn found<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Memory of a process in bytes, by its name in `/proc/…/status` (proc(5)).
pub fn memory(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Makes sure that a call which ends at a deadline did so: not before it, but for what is kept back for the answer, and not
/// long after it. What no deadline ends goes on for ten seconds at least.
#[track_caller]
pub fn ended_at(deadline: Duration, took: Duration, what: &str) {
    assert!(took >= deadline * 3 / 4, "{what} ended after {took:?}, before its deadline of {deadline:?}");
    assert!(took < deadline + Duration::from_secs(5), "{what} ended after {took:?}, long after {deadline:?}");
}

impl TestServer {
    pub async fn start() -> Self {
        Self::in_environment(Environment::default()).await
    }

    pub async fn in_environment(environment: Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start_in_environment(folder.path(), environment).await;
        let server = server.unwrap_or_else(|failure| panic!("{failure:?}"));
        Self { server, folder, http: reqwest::Client::new() }
    }

    /// The owner of the demo tenant.
    pub fn owner(&self) -> Client {
        self.with_key(self.server.api_key().expose_secret())
    }

    /// A caller with this key.
    pub fn with_key(&self, key: &str) -> Client {
        Client { http: self.http.clone(), base: self.server.base_url().to_owned(), key: key.to_owned() }
    }

    /// Another tenant; gives back its owner's key.
    pub async fn other_tenant(&self, name: &str) -> String {
        let key = self.server.add_tenant(name.parse().unwrap()).await;
        key.unwrap_or_else(|failure| panic!("{failure:?}")).expose_secret().to_owned()
    }

    /// A caller with a new key of this role and scope.
    pub async fn with_role(&self, name: &str, role: &str, scope: Json) -> Client {
        let made = self.owner().post("/v1/keys", &json!({"name": name, "role": role, "scope": scope})).await;
        self.with_key(made.expect(201)["key"].as_str().unwrap())
    }
}

impl Deployment {
    /// The deployment at `TIDEGATE_TEST_URL`, with the key of an owner in `TIDEGATE_TEST_KEY`. Without them, a server.
    pub async fn given_or_started() -> Self {
        let (owner, server) = match env::var("TIDEGATE_TEST_URL") {
            Ok(url) => {
                let key = env::var("TIDEGATE_TEST_KEY").expect("TIDEGATE_TEST_KEY holds the key of an owner");
                (Client::at(&url, &key), None)
            }
            Err(_) => {
                let server = TestServer::start().await;
                (server.owner(), Some(server))
            }
        };
        let me = owner.get("/v1/me").await.expect(200);
        let tenant = me["tenant"].as_str().unwrap_or_else(|| panic!("{me}")).to_owned();
        let is_local = is_loopback(&owner.base);
        Self { owner, tenant, is_local, _server: server }
    }
}

/// Whether a URL names this machine.
fn is_loopback(url: &str) -> bool {
    match Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        None => false,
    }
}

impl Client {
    /// A caller of the deployment at a URL, with this key; nobody with none.
    pub fn at(url: &str, key: &str) -> Self {
        // The first that is installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = url.trim_end_matches('/').to_owned();
        Self { http: reqwest::Client::new(), base, key: key.to_owned() }
    }

    /// Another caller of the same server, with this key; nobody with none.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// The same caller at another address of this machine.
    pub fn from_address(&self, address: IpAddr) -> Self {
        let http = reqwest::Client::builder().local_address(address).build().unwrap();
        Self { http, ..self.clone() }
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !self.key.is_empty() {
            request = request.bearer_auth(&self.key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Json) -> Answer {
        self.send(Method::POST, path, &[], Some(body.to_string())).await
    }

    pub async fn put(&self, path: &str, version: u64, body: &Json) -> Answer {
        self.send(Method::PUT, path, &[("if-match", &format!("\"{version}\""))], Some(body.to_string())).await
    }

    pub async fn delete(&self, path: &str, version: u64) -> Answer {
        self.send(Method::DELETE, path, &[("if-match", &format!("\"{version}\""))], None).await
    }

    /// Registers a source, and gives back what was made.
    pub async fn register(&self, source: &Json) -> Json {
        self.post("/v1/sources", source).await.expect(201)
    }

    /// Runs SQL that was written for this once.
    pub async fn raw(&self, source: &str, sql: &str) -> Answer {
        self.post("/v1/execute/raw", &json!({"source": source, "sql": sql})).await
    }

    /// The newest execution in the history; null when there is none.
    pub async fn newest(&self) -> Json {
        self.get("/v1/executions?limit=1").await.expect(200)["items"][0].clone()
    }

    /// Runs a query with arguments.
    pub async fn run(&self, query: &str, arguments: Json) -> Answer {
        self.post(&format!("/v1/execute/{query}"), &json!({"arguments": arguments})).await
    }

    /// Sends one MCP request as a client of 2025-11-25 does.
    pub async fn mcp_legacy(&self, path: &str, method: &str, params: Json) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.mcp(path, &[("mcp-protocol-version", "2025-11-25")], &body).await
    }

    /// Sends one MCP request as a client of 2026-07-28 does.
    pub async fn mcp_modern(&self, path: &str, method: &str, mut params: Json) -> Answer {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        if !name.is_empty() {
            headers.push(("mcp-name", name.as_str()));
        }
        self.mcp(path, &headers, &body).await
    }

    async fn mcp(&self, path: &str, headers: &[(&str, &str)], body: &Json) -> Answer {
        let mut all = vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, Some(body.to_string())).await
    }
}

#[test]
fn only_addresses_of_this_machine_are_local() {
    for url in ["http://127.0.0.1:9000", "http://[::1]:9000/x", "https://localhost/base"] {
        assert!(is_loopback(url), "{url}");
    }
    for url in ["https://tidegate.example.com", "http://127.0.0.1.example.com", "https://10.0.0.1"] {
        assert!(!is_loopback(url), "{url}");
    }
}
