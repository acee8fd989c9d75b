//! What happens when a database, or the way to it, fails: real servers are killed, restarted and frozen, and a proxy
//! loses what a network loses.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use test_servers::Server;
use tests::{Answer, Client, TestServer, proxy::Proxy};

/// How long anything here may take that has no tighter bound.
const PATIENCE: Duration = Duration::from_secs(15);

/// A kind of server, and how its administrator looks at it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Mariadb,
}

enum Admin {
    Postgres(PgConnection),
    Mariadb(MySqlConnection),
}

impl Kind {
    fn shared(self) -> &'static Server {
        match self {
            Self::Postgres => test_servers::postgres(),
            Self::Mariadb => test_servers::mariadb(),
        }
    }

    fn own(self) -> Server {
        match self {
            Self::Postgres => test_servers::own_postgres(),
            Self::Mariadb => test_servers::own_mariadb(),
        }
    }

    /// A source on this server, reached through `port`.
    fn source(self, name: &str, server: &Server, port: u16, max_sessions: u32) -> Json {
        let kind = if self == Self::Postgres { "postgres" } else { "mysql" };
        json!({
            "name": name,
            "connection": {kind: {"host": server.host, "port": port, "database": server.database, "user": server.user,
                                  "tls": {"mode": "off"}, "max_sessions": max_sessions}},
            "credentials": {"password": server.password},
            "allow_raw": true,
        })
    }

    /// A statement that runs for minutes, with a column to find it by.
    fn slow(self, marker: &str) -> String {
        match self {
            Self::Postgres => {
                format!("SELECT count(*) AS {marker} FROM generate_series(1, 1000000) a, generate_series(1, 100000) b")
            }
            Self::Mariadb => format!(
                "SELECT COUNT(*) AS {marker} FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq + b.seq < 0"
            ),
        }
    }

    /// A statement that sends some rows at once and then computes for minutes.
    fn stuck(self, marker: &str) -> String {
        match self {
            Self::Postgres => format!(
                "SELECT i AS {marker}, repeat('x', 1000), CASE WHEN i < 200 THEN 0 ELSE (SELECT count(*) FROM \
                 generate_series(1, 1000000) a, generate_series(1, 100000) b WHERE a + b < i) END FROM generate_series(1, 500) i"
            ),
            Self::Mariadb => format!(
                "SELECT i.seq AS {marker}, REPEAT('x', 1000), IF(i.seq < 200, 0, (SELECT COUNT(*) FROM seq_1_to_1000000 a, \
                 seq_1_to_1000000 b WHERE a.seq + b.seq < i.seq)) FROM seq_1_to_500 i"
            ),
        }
    }

    async fn admin(self, server: &Server) -> Admin {
        let url = server.admin_url();
        match self {
            Self::Postgres => Admin::Postgres(PgConnection::connect(&url).await.unwrap()),
            Self::Mariadb => Admin::Mariadb(MySqlConnection::connect(&url).await.unwrap()),
        }
    }
}

impl Admin {
    async fn execute(&mut self, statement: impl Into<String>) {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.into()));
        match self {
            Self::Postgres(connection) => drop(statement.execute(connection).await.unwrap()),
            Self::Mariadb(connection) => drop(statement.execute(connection).await.unwrap()),
        }
    }

    async fn number(&mut self, statement: impl Into<String>) -> i64 {
        let statement = AssertSqlSafe(statement.into());
        match self {
            Self::Postgres(connection) => sqlx::query_scalar(statement).fetch_one(connection).await.unwrap(),
            Self::Mariadb(connection) => sqlx::query_scalar(statement).fetch_one(connection).await.unwrap(),
        }
    }

    /// How many statements with this marker have been running for so many milliseconds.
    async fn running(&mut self, marker: &str, milliseconds: u32) -> i64 {
        let statement = match self {
            Self::Postgres(_) => format!(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{marker}%' \
                 AND clock_timestamp() - query_start > interval '{milliseconds} ms' AND pid <> pg_backend_pid()"
            ),
            Self::Mariadb(_) => format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{marker}%' \
                 AND time_ms > {milliseconds} AND id <> CONNECTION_ID()"
            ),
        };
        self.number(statement).await
    }

    /// Ends every session of Tidegate, and waits until the last is gone. Gives back how many there were.
    async fn kill(&mut self) -> usize {
        let mut killed = 0;
        match self {
            Self::Postgres(connection) => {
                let kill =
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'tidegate'";
                killed = sqlx::query(kill).fetch_all(connection).await.unwrap().len();
            }
            Self::Mariadb(connection) => {
                let ids = "SELECT id FROM information_schema.processlist WHERE user = 'tidegate'";
                let ids: Vec<i64> = sqlx::query_scalar(ids).fetch_all(&mut *connection).await.unwrap();
                for id in ids {
                    // It may have ended meanwhile.
                    killed += usize::from(
                        sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut *connection).await.is_ok(),
                    );
                    let left = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
                    let began = Instant::now();
                    while sqlx::query_scalar::<_, i64>(AssertSqlSafe(left.clone()))
                        .fetch_one(&mut *connection)
                        .await
                        .unwrap()
                        > 0
                    {
                        assert!(began.elapsed() < PATIENCE, "a killed session lives on");
                    }
                }
            }
        }
        killed
    }
}

/// Polls until `ready` says so; fails after `patience`.
async fn until<F: Future<Output = bool>>(patience: Duration, what: &str, mut ready: impl FnMut() -> F) {
    let began = Instant::now();
    while !ready().await {
        assert!(began.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn register(owner: &Client, source: &Json) {
    owner.post("/v1/sources", source).await.expect(201);
}

async fn raw(owner: &Client, source: &str, sql: &str) -> Answer {
    owner.post("/v1/execute/raw", &json!({"source": source, "sql": sql})).await
}

/// Runs raw SQL with the header `X-Request-Timeout`.
async fn raw_within(owner: &Client, source: &str, sql: &str, timeout: &str) -> Answer {
    let body = json!({"source": source, "sql": sql}).to_string();
    owner.send(Method::POST, "/v1/execute/raw", &[("x-request-timeout", timeout)], Some(body)).await
}

/// The seconds of `Retry-After`.
fn retry_after(answer: &Answer) -> Option<u64> {
    answer.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap())
}

/// A table `name` with one row, and a query `<source>-add` that adds another.
async fn counted_table(owner: &Client, admin: &mut Admin, source: &str, server: &Server, name: &str) {
    let qualified = match admin {
        Admin::Postgres(_) => name.to_owned(),
        Admin::Mariadb(_) => format!("{}.{name}", server.database),
    };
    admin.execute(format!("CREATE TABLE {qualified} (id integer PRIMARY KEY)")).await;
    admin.execute(format!("INSERT INTO {qualified} VALUES (0)")).await;
    if let Admin::Postgres(_) = admin {
        admin.execute(format!("ALTER TABLE {name} OWNER TO {}", server.user)).await;
    }
    let add = json!({
        "name": format!("{source}-add"), "description": "adds a row", "source": source, "mode": "write",
        "statement": format!("INSERT INTO {name} (id) VALUES ({{{{ id }}}})"),
        "parameters": [{"name": "id", "type": "integer", "example": 1}],
    });
    owner.post("/v1/queries", &add).await.expect(201);
}

async fn lost_sessions_cost_a_reader_nothing(kind: Kind) {
    let mut server = kind.own();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    register(&owner, &kind.source("db", &server, server.port, 5)).await;
    let mut admin = kind.admin(&server).await;
    counted_table(&owner, &mut admin, "db", &server, "counted").await;
    let count = "SELECT count(*) FROM counted";
    let reads = async || {
        let all = (raw(&owner, "db", count), raw(&owner, "db", count), raw(&owner, "db", count));
        let (a, b, c) = tokio::join!(all.0, all.1, all.2);
        [a, b, c].map(|answer| answer.expect(200)["rows"][0][0].clone())
    };

    // Killed while idle: neither who reads nor who writes notices.
    assert_eq!(reads().await, [json!(1), json!(1), json!(1)]);
    assert!(admin.kill().await >= 1);
    assert_eq!(reads().await, [json!(1), json!(1), json!(1)]);
    assert!(admin.kill().await >= 1);
    owner.run("db-add", json!({"id": 1})).await.expect(200);

    // Killed before the first row: a reader is served all the same, by another session.
    let slow = kind.slow("killed_early");
    let (answer, ()) = tokio::join!(raw_within(&owner, "db", &slow, "3000"), async {
        until_running(&mut admin, "killed_early", 1).await;
        admin.kill().await;
        until_running(&mut admin, "killed_early", 1).await;
    });
    answer.problem(504, "timeout");

    // Killed amid the rows: they cannot be taken back, so the call fails and is not repeated.
    let stuck = kind.stuck("killed_late");
    let (answer, ()) = tokio::join!(raw(&owner, "db", &stuck), async {
        until_running(&mut admin, "killed_late", 300).await;
        admin.kill().await;
    });
    answer.problem(502, "source_unavailable");
    assert_eq!(admin.running("killed_late", 0).await, 0);
    assert_eq!(reads().await, [json!(2), json!(2), json!(2)]);

    // Restarted: every session is lost, and nobody notices.
    drop(admin);
    server.stop();
    server.start_again();
    owner.run("db-add", json!({"id": 2})).await.expect(200);
    assert_eq!(reads().await, [json!(3), json!(3), json!(3)]);

    // Stopped for longer: its calls fail until it is back.
    server.stop();
    raw(&owner, "db", count).await.problem(502, "source_unavailable");
    owner.run("db-add", json!({"id": 3})).await.problem(502, "source_unavailable");
    server.start_again();
    until(PATIENCE, "a source that is back", async || raw(&owner, "db", count).await.status == StatusCode::OK).await;

    // Frozen: calls end at their deadline, and it recovers.
    server.freeze();
    let began = Instant::now();
    let (read, write) = tokio::join!(raw_within(&owner, "db", count, "700"), async {
        let body = json!({"arguments": {"id": 4}}).to_string();
        owner.send(Method::POST, "/v1/execute/db-add", &[("x-request-timeout", "700")], Some(body)).await
    });
    let waited = began.elapsed();
    // A session that had to be opened for the call was not: MariaDB's connector then says that the source is away.
    for answer in [read, write] {
        match (answer.status.as_u16(), kind) {
            (502, Kind::Mariadb) => answer.problem(502, "source_unavailable"),
            _ => answer.problem(504, "timeout"),
        };
    }
    assert!(waited >= Duration::from_millis(650) && waited < Duration::from_millis(1500), "{waited:?}");
    server.thaw();
    until(PATIENCE, "a thawed source", async || raw_within(&owner, "db", count, "2000").await.status == StatusCode::OK)
        .await;
    let mut admin = kind.admin(&server).await;
    until_none_is_running(&mut admin, "counted").await;
    assert_eq!(reads().await, [json!(3), json!(3), json!(3)], "no write was done twice, or after its end");
}

async fn until_running(admin: &mut Admin, marker: &str, milliseconds: u32) {
    let began = Instant::now();
    while admin.running(marker, milliseconds).await == 0 {
        assert!(began.elapsed() < PATIENCE, "`{marker}` does not run");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Makes sure that within a second no statement with this marker runs. Gives back how long it took.
async fn until_none_is_running(admin: &mut Admin, marker: &str) -> Duration {
    let began = Instant::now();
    while admin.running(marker, 0).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(1), "`{marker}` runs on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_sessions_of_postgres_cost_a_reader_nothing() {
    lost_sessions_cost_a_reader_nothing(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_sessions_of_mariadb_cost_a_reader_nothing() {
    lost_sessions_cost_a_reader_nothing(Kind::Mariadb).await;
}

async fn a_lost_network_is_noticed(kind: Kind) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let proxy = Proxy::before(server.port).await;
    register(&owner, &kind.source("db", server, proxy.port, 5)).await;
    let mut admin = kind.admin(server).await;
    let table = format!("lost_{}", kind as u8);
    counted_table(&owner, &mut admin, "db", server, &table).await;
    let count = format!("SELECT count(*) FROM {table}");

    // Broken between the begin of the transaction and the statement: who reads is served by another session, and who
    // writes is told.
    raw(&owner, "db", &count).await.expect(200);
    let before = proxy.connections();
    proxy.break_after(1);
    raw(&owner, "db", &count).await.expect(200);
    assert!(proxy.connections() > before, "the read did not need another connection");
    proxy.break_after(1);
    owner.run("db-add", json!({"id": 1})).await.problem(502, "source_unavailable");
    assert_eq!(raw(&owner, "db", &count).await.expect(200)["rows"], json!([[1]]));

    // Connections that were cut silently are given up together, after a look at one of them.
    let three = (raw(&owner, "db", &count), raw(&owner, "db", &count), raw(&owner, "db", &count));
    let (a, b, c) = tokio::join!(three.0, three.1, three.2);
    for answer in [a, b, c] {
        answer.expect(200);
    }
    proxy.forget();
    let began = Instant::now();
    raw(&owner, "db", &count).await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());

    // Packets are dropped amid a statement: the call ends at its deadline, and the source serves again afterwards.
    let slow = kind.slow(&format!("dropped_{}", kind as u8));
    let marker = format!("dropped_{}", kind as u8);
    let (answer, ()) = tokio::join!(raw_within(&owner, "db", &slow, "1000"), async {
        until_running(&mut admin, &marker, 1).await;
        proxy.freeze();
    });
    answer.problem(504, "timeout");
    until_none_is_running(&mut admin, &marker).await;
    proxy.thaw();
    until(PATIENCE, "the source", async || raw_within(&owner, "db", &count, "2000").await.status == StatusCode::OK)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_network_to_postgres_is_noticed() {
    a_lost_network_is_noticed(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_network_to_mariadb_is_noticed() {
    a_lost_network_is_noticed(Kind::Mariadb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_down_fails_at_once_and_the_others_do_not_notice() {
    let server = Kind::Postgres.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let mut proxy = Proxy::before(server.port).await;
    register(&owner, &Kind::Postgres.source("db", server, proxy.port, 5)).await;
    register(&owner, &Kind::Postgres.source("other", server, server.port, 5)).await;
    let endpoint = json!({"name": "db", "sources": ["db"], "builtins": ["run_sql"]});
    owner.post("/v1/servers", &endpoint).await.expect(201);
    let call = async || raw(&owner, "db", "SELECT 1 AS one").await;
    call().await.expect(200);

    proxy.down().await;
    let mut calls = 0;
    loop {
        let refused = call().await;
        refused.problem(502, "source_unavailable");
        calls += 1;
        match retry_after(&refused) {
            Some(seconds) => break assert!((1..=5).contains(&seconds)),
            None => assert!(calls <= 3, "the breaker does not open"),
        }
    }
    let tries = proxy.connections();
    let mut took = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let refused = call().await;
        took.push(began.elapsed());
        let problem = refused.problem(502, "source_unavailable");
        assert!(problem["detail"].as_str().unwrap().contains("refuses the connection"), "{problem:#}");
        assert!(retry_after(&refused).is_some());
    }
    took.sort();
    println!("failing fast, over HTTP: median {:?}, worst {:?}", took[25], took[49]);
    assert!(took[25] < Duration::from_millis(5), "{took:?}");
    assert_eq!(proxy.connections(), tries);
    raw(&owner, "other", "SELECT 1 AS one").await.expect(200);

    let tool = json!({"name": "run_sql", "arguments": {"sql": "SELECT 1 AS one"}});
    let told = owner.mcp_modern("/t/demo/mcp/db", "tools/call", tool).await.expect(200);
    let text = told["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("source_unavailable: ") && text.contains("Not before "), "{text}");

    // Back again: one call finds out, when the time is over.
    proxy.up().await;
    until(Duration::from_secs(8), "the source", async || call().await.status == StatusCode::OK).await;
    call().await.expect(200);

    // A test of the connection finds out at any time.
    proxy.down().await;
    while retry_after(&call().await).is_none() {}
    owner.post("/v1/sources/db/test", &json!({})).await.problem(502, "source_unavailable");
    proxy.up().await;
    assert!(retry_after(&call().await).is_some());
    owner.post("/v1/sources/db/test", &json!({})).await.expect(200);
    call().await.expect(200);
}

async fn a_full_source_makes_calls_wait_and_then_refuses_them(kind: Kind) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    register(&owner, &kind.source("db", server, server.port, 2)).await;
    let mut admin = kind.admin(server).await;
    let table = format!("full_{}", kind as u8);
    counted_table(&owner, &mut admin, "db", server, &table).await;
    let count = format!("SELECT count(*) AS filling FROM {table}");

    // Readers wait for the lock: two sessions, twenty in line, and no place for more.
    let lock = match kind {
        Kind::Postgres => format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
        Kind::Mariadb => format!("LOCK TABLES {}.{table} WRITE", server.database),
    };
    admin.execute(lock).await;
    let (done, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..27 {
        let (owner, count, done) = (owner.clone(), count.clone(), done.clone());
        tokio::spawn(async move { drop(done.send(raw(&owner, "db", &count).await)) });
    }
    for _ in 0..5 {
        let refused = tokio::time::timeout(PATIENCE, answers.recv()).await.unwrap().unwrap();
        refused.problem(429, "rate_limited");
        assert_eq!(retry_after(&refused), Some(1));
    }
    assert!(answers.is_empty());
    // Who waits does so until the deadline, which is no place for another before.
    admin.execute(if kind == Kind::Postgres { "COMMIT" } else { "UNLOCK TABLES" }).await;
    for _ in 0..22 {
        let answer = tokio::time::timeout(PATIENCE, answers.recv()).await.unwrap().unwrap();
        assert_eq!(answer.expect(200)["rows"], json!([[1]]));
    }
    raw(&owner, "db", &count).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_postgres_source_makes_calls_wait_and_then_refuses_them() {
    a_full_source_makes_calls_wait_and_then_refuses_them(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mariadb_source_makes_calls_wait_and_then_refuses_them() {
    a_full_source_makes_calls_wait_and_then_refuses_them(Kind::Mariadb).await;
}

async fn a_client_that_goes_away_cancels_its_statement(kind: Kind) {
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    register(&owner, &kind.source("db", server, server.port, 1)).await;
    owner.post("/v1/servers", &json!({"name": "db", "sources": ["db"], "builtins": ["run_sql"]})).await.expect(201);
    let mut admin = kind.admin(server).await;

    for way in ["rest", "rest_stream", "mcp_legacy", "mcp_modern"] {
        let marker = format!("gone_{way}_{}", kind as u8);
        let sql = kind.slow(&marker);
        let tool = json!({"name": "run_sql", "arguments": {"sql": sql}});
        let body = json!({"source": "db", "sql": sql});
        let call = async {
            match way {
                "rest" => owner.post("/v1/execute/raw", &body).await,
                "rest_stream" => owner.post("/v1/execute/raw?format=ndjson", &body).await,
                "mcp_legacy" => owner.mcp_legacy("/t/demo/mcp/db", "tools/call", tool).await,
                _ => owner.mcp_modern("/t/demo/mcp/db", "tools/call", tool).await,
            }
        };
        tokio::select! {
            answer = call => panic!("{way}: {answer:?}"),
            // The call is dropped, and with it its connection.
            () = until_running(&mut admin, &marker, 1) => {}
        }
        let took = until_none_is_running(&mut admin, &marker).await;
        println!("{way}: cancelled {took:?} after the client had gone");
        // The one session there may be serves the next.
        raw(&owner, "db", "SELECT 1 AS one").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_cancels_its_statement_on_postgres() {
    a_client_that_goes_away_cancels_its_statement(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_cancels_its_statement_on_mariadb() {
    a_client_that_goes_away_cancels_its_statement(Kind::Mariadb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_lowers_the_deadline_and_never_raises_it() {
    let kind = Kind::Postgres;
    let server = kind.shared();
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    register(&owner, &kind.source("db", server, server.port, 2)).await;
    let mut bounded = kind.source("bounded", server, server.port, 2);
    bounded["limits"] = json!({"time_ms": 400});
    register(&owner, &bounded).await;
    owner.post("/v1/servers", &json!({"name": "db", "sources": ["db"], "builtins": ["run_sql"]})).await.expect(201);
    let slow = kind.slow("deadlines");

    for (source, timeout) in [("db", "400"), ("bounded", "60000")] {
        let began = Instant::now();
        raw_within(&owner, source, &slow, timeout).await.problem(504, "timeout");
        let took = began.elapsed();
        assert!(took > Duration::from_millis(300) && took < Duration::from_millis(1200), "{source}: {took:?}");
    }
    let mcp = async |timeout: &str| {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                          "params": {"name": "run_sql", "arguments": {"sql": slow}}});
        let headers = [
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
            ("x-request-timeout", timeout),
        ];
        owner.send(Method::POST, "/t/demo/mcp/db", &headers, Some(call.to_string())).await
    };
    let told = mcp("400").await.expect(200);
    assert!(told["result"]["content"][0]["text"].as_str().unwrap().starts_with("timeout: "), "{told:#}");

    for malformed in ["0", "soon", "1.5", "-1", ""] {
        raw_within(&owner, "db", &slow, malformed).await.problem(400, "invalid_request");
        mcp(malformed).await.problem(400, "invalid_request");
    }
}
