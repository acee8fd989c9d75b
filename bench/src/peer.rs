//! MCP Toolbox for Databases, the peer: the same statements on the same data.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;

use crate::{CLIENTS, Case, Engine, Outcome, POSTGRES_ROWS, SQLITE_ROWS, calls, load::Request, process::Process};

const PORT: u16 = 15_077;

pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) first_row_ms: u128,
    pub(crate) idle_mb: u64,
}

/// Starts the peer on the demo data in a folder; `None` when it is not installed. The package `toolbox-server` has the
/// program as `toolbox_server/bin/toolbox`; its script of the same name is a wrapper whose processor time says nothing.
pub(crate) async fn start(folder: &Path) -> Outcome<Option<Peer>> {
    let Some(binary) = find() else { return Ok(None) };
    let config = folder.join("toolbox.yaml");
    let postgres = test_servers::postgres();
    let database = folder.join("data").join("flights.sqlite");
    fs::write(
        &config,
        format!(
            "sources:\n  lite:\n    kind: sqlite\n    database: {}\n  pg:\n    kind: postgres\n    host: {}\n    port: {}\n    \
             database: {}\n    user: {}\n    password: {}\ntools:\n  sqlite_rows:\n    kind: sqlite-sql\n    source: lite\n    \
             description: rows\n    statement: {SQLITE_ROWS}?\n    parameters:\n      - name: n\n        type: integer\n        \
             description: rows\n  pg_rows:\n    kind: postgres-sql\n    source: pg\n    description: rows\n    \
             statement: \"{POSTGRES_ROWS}$1\"\n    parameters:\n      - name: n\n        type: integer\n        description: rows\n",
            database.display(),
            postgres.host,
            postgres.port,
            postgres.database,
            postgres.user,
            postgres.password,
        ),
    )?;
    let mut command = Command::new(binary);
    command
        .args(["--port", &PORT.to_string(), "--log-level", "ERROR", "--disable-version-check", "--config"])
        .arg(&config);
    let began = Instant::now();
    let process = Process::start(command)?;
    let http = reqwest::Client::new();
    let first = request(&Case { engine: Engine::Sqlite, rows: 1 });
    let deadline = began + Duration::from_secs(20);
    while http.post(&first.url).headers(first.headers.clone()).body(first.body.clone()).send().await.is_err() {
        if Instant::now() > deadline {
            return Err("the peer did not start within 20 s".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let first_row_ms = began.elapsed().as_millis();
    let idle_mb = process.resident_mb()?;
    Ok(Some(Peer { process, first_row_ms, idle_mb }))
}

fn find() -> Option<PathBuf> {
    let named = env::var_os("TOOLBOX").map(PathBuf::from);
    let folders = env::var_os("PATH").unwrap_or_default();
    named.or_else(|| env::split_paths(&folders).map(|folder| folder.join("toolbox")).find(|path| path.is_file()))
}

/// The call of a case.
pub(crate) fn request(case: &Case) -> Request {
    let Case { engine, rows } = *case;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": engine.tool(), "arguments": {"n": rows}}});
    Request {
        name: case.to_string(),
        url: format!("http://127.0.0.1:{PORT}/mcp"),
        headers,
        body: body.to_string(),
        clients: CLIENTS,
        calls: calls(rows),
    }
}
