//! Tidegate as it is measured: the release build, with authentication, budgets and history on.

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};

use crate::{Outcome, POSTGRES_ROWS, SQLITE_ROWS, calls, load::Request, process::Process};

pub(crate) struct Tidegate {
    pub(crate) process: Process,
    pub(crate) first_row_ms: u128,
    pub(crate) idle_mb: u64,
    pub(crate) binary_mb: u64,
    base: String,
    key: String,
}

/// Starts the server twice: the first start makes the data, the second is measured.
pub(crate) async fn start(folder: &Path) -> Outcome<Tidegate> {
    let binary = env::current_exe()?.with_file_name("tidegate");
    let data = folder.join("data");
    drop(run(&binary, &data).await?);
    fs::remove_file(data.join("dev.json")).ok();
    let began = Instant::now();
    let (process, base, key) = run(&binary, &data).await?;
    let http = reqwest::Client::new();
    let first = http.post(format!("{base}/v1/execute/list_airlines")).bearer_auth(&key).body("{}");
    first.send().await?.error_for_status()?;
    let first_row_ms = began.elapsed().as_millis();
    let idle_mb = process.resident_mb()?;
    let ours = Tidegate { process, first_row_ms, idle_mb, binary_mb: fs::metadata(&binary)?.len() >> 20, base, key };
    ours.register(&http).await?;
    Ok(ours)
}

async fn run(binary: &Path, data: &Path) -> Outcome<(Process, String, String)> {
    let mut command = Command::new(binary);
    command.args(["dev", "--port", "0", "--data-dir"]).arg(data);
    let process = Process::start(command)?;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Ok(text) = fs::read(data.join("dev.json")) {
            let record: Json = serde_json::from_slice(&text)?;
            let text = |name: &str| record.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            return Ok((process, text("base_url"), text("api_key")));
        }
        if Instant::now() > deadline {
            return Err("tidegate did not start within 20 s".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl Tidegate {
    async fn register(&self, http: &reqwest::Client) -> Outcome<()> {
        let postgres = test_servers::postgres();
        let source = json!({
            "name": "pg",
            "connection": {"postgres": {"host": postgres.host, "port": postgres.port, "database": postgres.database,
                                        "user": postgres.user, "tls": {"mode": "off"}}},
            "credentials": {"password": postgres.password},
        });
        self.post(http, "/v1/sources", &source).await?;
        for (name, source, statement) in [("sqlite_rows", "flights", SQLITE_ROWS), ("pg_rows", "pg", POSTGRES_ROWS)] {
            let query = json!({
                "name": name, "description": "rows", "source": source, "statement": format!("{statement}{{{{ n }}}}"),
                "parameters": [{"name": "n", "type": "integer", "example": 1}],
            });
            self.post(http, "/v1/queries", &query).await?;
        }
        Ok(())
    }

    async fn post(&self, http: &reqwest::Client, path: &str, body: &Json) -> Outcome<()> {
        let request = http.post(format!("{}{path}", self.base)).bearer_auth(&self.key).body(body.to_string());
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() { Ok(()) } else { Err(format!("{path}: {text}").into()) }
    }

    pub(crate) fn cases(&self) -> Vec<Request> {
        let mut headers = HeaderMap::new();
        if let Ok(key) = HeaderValue::from_str(&format!("Bearer {}", self.key)) {
            headers.insert(AUTHORIZATION, key);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let request = |name: String, path: &str, body: Json, rows: u32| Request {
            name,
            url: format!("{}{path}", self.base),
            headers: headers.clone(),
            body,
            calls: calls(rows),
        };
        let mut cases = Vec::new();
        for (engine, tool) in [("SQLite", "sqlite_rows"), ("PostgreSQL", "pg_rows")] {
            for rows in [1, 100, 1000] {
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                                  "params": {"name": tool, "arguments": {"n": rows}}});
                cases.push(request(format!("MCP {rows} rows {engine}"), "/t/demo/mcp", body, rows));
            }
        }
        cases.push(request("REST 1 row SQLite".into(), "/v1/execute/sqlite_rows", json!({"arguments": {"n": 1}}), 1));
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        cases.push(request("MCP tools/list (11 tools)".into(), "/t/demo/mcp/flights", list, 100));
        cases
    }
}
