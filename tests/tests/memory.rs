//! How much memory does a call take? A server of its own answers statements that give a gigabyte, and Linux tells the most
//! memory that it had meanwhile (proc(5): `VmHWM`, set back by writing 5 to `clear_refs`).
//!
//! The bound is three times the byte budget and 10 MB. Where a single row is larger than that leaves room for, it is three
//! times the row more: the drivers read a row whole, and grow their buffer by copying it.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Response;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tests::{PATIENCE, found, memory};

/// The byte budget of a call that is answered whole.
const BUDGET: u64 = 1 << 20;
/// The byte budget of a call that streams.
const STREAMED: u64 = 16 << 20;
/// How much of a stream is read slowly, in bytes.
const SLOWLY: usize = 1 << 20;
/// What a call may take beside three times its budget.
const BESIDE: u64 = 10_000_000;
/// The bytes of a row that is larger than any budget.
const LARGE: u64 = 30_000_000;

/// The command, started in a folder of its own.
struct Measured {
    child: Child,
    base: String,
    key: String,
    _folder: TempDir,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Measured {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("environment.yaml");
        let budget = json!({"rows": 100_000_000, "bytes": STREAMED, "cell_bytes": 64 << 10, "time_ms": 60_000});
        fs::write(&config, json!({"budget": budget}).to_string()).unwrap();
        let data = folder.path().join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-measured"));
        command.args(["dev", "--port", "0", "--data-dir"]).arg(&data).arg("--config").arg(&config);
        // What is freed goes back to Linux at once, so that what a call took does not hide what the next one takes.
        command.envs([
            ("MALLOC_ARENA_MAX", "1"),
            ("MALLOC_TRIM_THRESHOLD_", "65536"),
            ("MALLOC_MMAP_THRESHOLD_", "65536"),
        ]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let record = record(&data.join("dev.json")).await;
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        Self { child, base: text("base_url"), key: text("api_key"), _folder: folder }
    }

    async fn post(&self, path: &str, body: &Json) -> Response {
        let request = reqwest::Client::new().post(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = request.header("accept", "application/json, text/event-stream, */*").body(body.to_string());
        request.header("content-type", "application/json").send().await.unwrap()
    }

    async fn made(&self, path: &str, body: &Json) {
        let response = self.post(path, body).await;
        assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
    }

    /// The most memory since [`Self::begin`], in bytes.
    fn peak(&self) -> u64 {
        memory(self.child.id(), "VmHWM")
    }

    /// Forgets the most memory so far, and gives back what there is.
    fn begin(&self) -> u64 {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
        memory(self.child.id(), "VmRSS")
    }
}

async fn record(path: &Path) -> Json {
    let text = found("the record of a server", PATIENCE, async || fs::read(path).ok()).await;
    serde_json::from_slice(&text).unwrap()
}

/// What the statements of a case give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// A million rows of a kilobyte.
    Rows,
    /// A thousand rows of a cell of a megabyte.
    Cells,
    /// A hundred rows of a hundred cells of a hundred kilobytes.
    Wide,
    /// One row of 30 MB.
    Large,
}

const SHAPES: [Shape; 4] = [Shape::Rows, Shape::Cells, Shape::Wide, Shape::Large];

impl Shape {
    /// The bytes of a row, as far as they are beyond what the bound is about.
    fn large_row(self, source: &str) -> u64 {
        match self {
            Self::Rows | Self::Cells => 0,
            Self::Wide => 10_000_000,
            // SQLite refuses to make it.
            Self::Large if source == "sqlite" => 0,
            Self::Large => LARGE,
        }
    }
}

fn statement(source: &str, shape: Shape) -> String {
    let text = |length: u64| match source {
        "sqlite" => format!("hex(zeroblob({}))", length / 2),
        _ => format!("repeat('x', {length})"),
    };
    let from = |rows: u64| match source {
        "postgres" => format!("generate_series(1, 100) AS a (n), generate_series(1, {}) AS b (m)", rows / 100),
        "mysql" => format!("seq_1_to_{rows}"),
        _ => format!(
            "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) SELECT n FROM s)"
        ),
    };
    match shape {
        Shape::Rows => format!("SELECT {} AS x FROM {}", text(1_000), from(1_000_000)),
        Shape::Cells => format!("SELECT {} AS x FROM {}", text(1_000_000), from(1_000)),
        Shape::Wide => format!("SELECT {} FROM {}", vec![text(100_000); 100].join(", "), from(100)),
        // A text of MariaDB's is as long as a packet at most, which is 16 MB.
        Shape::Large if source == "mysql" => format!("SELECT {0} AS x, {0} AS y", text(LARGE / 2)),
        Shape::Large => format!("SELECT {} AS x", text(LARGE)),
    }
}

/// How a call is made and its answer read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Json,
    Csv,
    Ndjson,
    Mcp,
}

const ROUTES: [Route; 4] = [Route::Json, Route::Csv, Route::Mcp, Route::Ndjson];

impl Route {
    fn budget(self) -> u64 {
        if self == Self::Ndjson { STREAMED } else { BUDGET }
    }

    /// Makes a call, and gives back the last bytes of its answer.
    async fn call(self, measured: &Measured, source: &str, sql: &str) -> String {
        let body = json!({"source": source, "sql": sql, "limits": {"bytes": self.budget()}});
        let mut response = match self {
            Self::Json => measured.post("/v1/execute/raw", &body).await,
            Self::Csv => measured.post("/v1/execute/raw?format=csv", &body).await,
            Self::Ndjson => measured.post("/v1/execute/raw?format=ndjson", &body).await,
            Self::Mcp => {
                let arguments = json!({"source": format!("{source}-mcp"), "sql": sql});
                let params = json!({"name": "run_sql", "arguments": arguments});
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
                measured.post("/t/demo/mcp/measured", &body).await
            }
        };
        let (mut end, mut read) = (Vec::new(), 0);
        while let Some(chunk) = response.chunk().await.unwrap() {
            // The reader of a stream is slow at first, so that the rows have to wait for it.
            if self == Self::Ndjson && read < SLOWLY {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            read += chunk.len();
            end.extend_from_slice(&chunk);
            end.drain(..end.len().saturating_sub(500));
        }
        String::from_utf8_lossy(&end).into_owned()
    }

    /// What of the byte budget the bound is three times of. A stream of small rows holds only a few of them.
    fn held(self, shape: Shape) -> u64 {
        match (self, shape) {
            (Self::Ndjson, Shape::Rows | Shape::Cells) => 0,
            _ => self.budget(),
        }
    }
}

/// The answer says what became of it.
fn check(source: &str, shape: Shape, route: Route, end: &str) {
    let expected = match (shape, source) {
        (Shape::Large, "sqlite") => "a value is much larger than the byte budget",
        (Shape::Large, "mysql") => "… [cut, 15000000 bytes in all]",
        (Shape::Large, _) => "… [cut, 30000000 bytes in all]",
        (Shape::Wide, _) if route != Route::Ndjson => "one row is larger than the byte budget",
        (Shape::Cells, _) => "… [cut, 1000000 bytes in all]",
        // The tail of a long answer in CSV is a row.
        (_, _) if route == Route::Csv => "\n",
        (_, _) => "\"truncated\":\"bytes\"",
    };
    assert!(end.contains(expected), "{source} {shape:?} {route:?}: {end}");
}

#[tokio::test]
async fn a_call_takes_no_more_memory_than_its_budget_allows() {
    let began = Instant::now();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let measured = Measured::start().await;
    let server = |kind: &str, server: &test_servers::Server| {
        let mut connection = server.connection();
        connection[kind]["max_sessions"] = json!(1);
        (connection, json!({"password": server.password}))
    };
    let sqlite = (json!({"sqlite": {"path": "flights.sqlite", "max_sessions": 1}}), Json::Null);
    let sources = [
        ("postgres", server("postgres", test_servers::postgres())),
        ("mysql", server("mysql", test_servers::mariadb())),
        ("sqlite", sqlite),
    ];
    let mut names = Vec::new();
    for (name, (connection, credentials)) in &sources {
        for (name, limits) in [((*name).to_owned(), json!({})), (format!("{name}-mcp"), json!({"bytes": BUDGET}))] {
            let mut source = json!({"name": name, "connection": connection, "allow_raw": true, "limits": limits});
            if !credentials.is_null() {
                source["credentials"] = credentials.clone();
            }
            measured.made("/v1/sources", &source).await;
            names.push(name);
        }
    }
    measured.made("/v1/servers", &json!({"name": "measured", "sources": names, "builtins": ["run_sql"]})).await;

    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!("{:<9} {:<6} {:<7} {:>9} {:>9} {:>9}", "source", "shape", "route", "budget MB", "peak MB", "allowed");
    let mut failures = Vec::new();
    for (source, _) in &sources {
        // The first calls open the sessions and bring the program's pages into memory.
        for route in ROUTES {
            route.call(&measured, source, "SELECT 1 AS x").await;
        }
        for shape in SHAPES {
            for route in ROUTES {
                let before = measured.begin();
                let end = route.call(&measured, source, &statement(source, shape)).await;
                let peak = measured.peak().saturating_sub(before);
                check(source, shape, route, &end);
                let allowed = 3 * (route.held(shape) + shape.large_row(source)) + BESIDE;
                println!(
                    "{source:<9} {:<6} {:<7} {:>9.1} {:>9.1} {:>9.1}",
                    format!("{shape:?}"),
                    format!("{route:?}"),
                    mb(route.budget()),
                    mb(peak),
                    mb(allowed)
                );
                if peak > allowed {
                    failures.push(format!("{source} {shape:?} {route:?}: {peak} bytes are more than {allowed}"));
                }
            }
        }
    }
    println!("{:.1} s", began.elapsed().as_secs_f64());
    assert!(failures.is_empty(), "{failures:#?}");
}
