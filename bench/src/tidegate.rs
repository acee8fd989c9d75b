//! Tidegate as it is measured: the release build, with authentication, budgets and history on.

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};

use sqlx::{Connection, PgConnection};

use crate::{
    CLIENTS, Case, Outcome, POSTGRES_ROWS, SQLITE_ROWS, calls, load::Request, process::Process, table::cpu_mark,
};

/// A query that takes 20 ms. The function is looked up and found to be stable, so that it may be called.
const WAIT: &str = "CREATE OR REPLACE FUNCTION wait_20_ms() RETURNS integer LANGUAGE plpgsql STABLE \
                    AS 'BEGIN PERFORM pg_sleep(0.02); RETURN 20; END'";

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
        let mut connection = PgConnection::connect(&postgres.url()).await?;
        sqlx::raw_sql(WAIT).execute(&mut connection).await?;
        connection.close().await?;
        let source = json!({
            "name": "pg",
            "connection": {"postgres": {"host": postgres.host, "port": postgres.port, "database": postgres.database,
                                        "user": postgres.user, "tls": {"mode": "off"}, "max_sessions": 20}},
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
        let wait = json!({"name": "pg_wait", "description": "20 ms", "source": "pg",
                          "statement": "SELECT wait_20_ms() AS waited"});
        self.post(http, "/v1/queries", &wait).await
    }

    async fn post(&self, http: &reqwest::Client, path: &str, body: &Json) -> Outcome<()> {
        let request = http.post(format!("{}{path}", self.base)).bearer_auth(&self.key).body(body.to_string());
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() { Ok(()) } else { Err(format!("{path}: {text}").into()) }
    }

    fn request(&self, name: impl Into<String>, path: &str, body: &Json, calls: u32) -> Request {
        let mut headers = HeaderMap::new();
        if let Ok(key) = HeaderValue::from_str(&format!("Bearer {}", self.key)) {
            headers.insert(AUTHORIZATION, key);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let (name, url) = (name.into(), format!("{}{path}", self.base));
        Request { name, url, headers, body: body.to_string(), clients: CLIENTS, calls }
    }

    /// A case that the peer has too.
    pub(crate) fn shared(&self, case: &Case) -> Request {
        let Case { engine, rows } = *case;
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                          "params": {"name": engine.tool(), "arguments": {"n": rows}}});
        self.request(case.to_string(), "/t/demo/mcp", &body, calls(rows))
    }

    /// The cases that only Tidegate has, with the most processor time of a call in microseconds.
    pub(crate) fn own(&self) -> Vec<(Request, Option<f64>)> {
        let one = json!({"arguments": {"n": 1}});
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        vec![
            (self.request("REST 1 row SQLite", "/v1/execute/sqlite_rows", &one, calls(1)), Some(cpu_mark(1))),
            (self.request("REST 1 row PostgreSQL", "/v1/execute/pg_rows", &one, calls(1)), Some(cpu_mark(1))),
            (self.request("MCP tools/list, 11 tools", "/t/demo/mcp/flights", &list, calls(100)), None),
        ]
    }

    /// 200 callers at once of a query that takes 20 ms, over the 20 sessions of its source.
    pub(crate) fn crowd(&self) -> Request {
        let request = self.request("", "/v1/execute/pg_wait", &json!({}), 6_000);
        Request { clients: 200, ..request }
    }
}
