//! The cost guard: a statement that a real database expects to take too much does not run.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use test_servers::Server;
use tests::{Client, TestServer, unique};

/// Far less than any of the refused statements would run.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A source with two tables of 5,000 rows that have nothing in common. Their joined rows, each against each other once
/// more, would take minutes.
struct Shop {
    tidegate: TestServer,
    owner: Client,
    kind: &'static str,
    server: &'static Server,
    orders: String,
    items: String,
}

impl Shop {
    async fn on(kind: &'static str, server: &'static Server, name: &str) -> Self {
        let tidegate = TestServer::start().await;
        let owner = tidegate.owner();
        let table = |of: &str| unique(&format!("{of}_{name}_"));
        let shop = Self { owner, tidegate, kind, server, orders: table("orders"), items: table("items") };
        let digits = (0..10).map(|digit| format!("SELECT {digit} AS d")).collect::<Vec<_>>().join(" UNION ALL ");
        let numbers = format!(
            "SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d FROM ({digits}) a, ({digits}) b, ({digits}) c, ({digits}) e \
             WHERE e.d < 5"
        );
        for table in [&shop.orders, &shop.items] {
            shop.execute(format!("CREATE TABLE {table} (id integer PRIMARY KEY)")).await;
            shop.execute(format!("INSERT INTO {table} {numbers}")).await;
            shop.execute(format!("ANALYZE {} {table}", if kind == "mysql" { "TABLE" } else { "" })).await;
        }
        shop
    }

    async fn execute(&self, statement: String) {
        let (url, statement) = (self.server.url(), sqlx::raw_sql(AssertSqlSafe(statement)));
        if self.kind == "mysql" {
            statement.execute(&mut MySqlConnection::connect(&url).await.unwrap()).await.unwrap();
        } else {
            statement.execute(&mut PgConnection::connect(&url).await.unwrap()).await.unwrap();
        }
    }

    /// How many statements on the orders are running.
    async fn running(&self) -> i64 {
        let url = self.server.url();
        let of = |list: &str, text: &str, own: &str| {
            AssertSqlSafe(format!("SELECT count(*) FROM {list} WHERE {text} LIKE '%{}%' AND {own}", self.orders))
        };
        if self.kind == "mysql" {
            let running = of("information_schema.processlist", "info", "id <> connection_id()");
            sqlx::query_scalar(running).fetch_one(&mut MySqlConnection::connect(&url).await.unwrap()).await.unwrap()
        } else {
            let running = of("pg_stat_activity", "query", "state = 'active' AND pid <> pg_backend_pid()");
            sqlx::query_scalar(running).fetch_one(&mut PgConnection::connect(&url).await.unwrap()).await.unwrap()
        }
    }

    fn source(&self, name: &str, max_estimate: Json) -> Json {
        let mut source = self.server.source(name);
        source["allow_raw"] = json!(true);
        source["max_estimate"] = max_estimate;
        source
    }

    /// One row, of 125,000,000,000 pairs.
    fn cartesian(&self) -> String {
        let Self { orders, items, .. } = self;
        format!("SELECT count(*) AS pairs FROM {orders} AS a, {items} AS b, {orders} AS c")
    }

    fn query(&self, name: &str, source: &str, statement: &str, max_estimate: Json) -> Json {
        json!({"name": name, "description": "d", "source": source, "statement": statement, "max_estimate": max_estimate})
    }
}

async fn refuses_what_would_take_too_much(shop: Shop) {
    let owner = &shop.owner;
    owner.register(&shop.source("guarded", json!({"rows": 1_000_000}))).await;
    let query = shop.query("pairs", "guarded", &shop.cartesian(), json!({}));
    let made = owner.post("/v1/queries", &query).await.expect(201);
    assert_eq!(made.get("max_estimate"), None, "{made:#}");

    let began = Instant::now();
    let refused = owner.run("pairs", json!({})).await.problem(422, "too_expensive");
    assert!(began.elapsed() < AT_ONCE && shop.running().await == 0);
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("more than the 1,000,000 allowed; join "), "{detail}");
    assert!(detail.contains("on a condition; there is none"), "{detail}");
    let execution = shop.owner.newest().await;
    assert_eq!((&execution["error"], &execution["query"]["name"]), (&json!("too_expensive"), &json!("pairs")));
    let timing = &execution["timing"];
    assert!(timing["prepare_us"].is_u64() && timing["plan_us"].is_u64(), "{timing}");
    assert_eq!((timing.get("queue_us"), timing.get("first_row_us")), (None, None), "{timing}");

    // Streams and raw SQL are held to the same, and the plan may be looked at.
    let raw = |sql: &str| json!({"source": "guarded", "sql": sql});
    owner.post("/v1/execute/raw?format=ndjson", &raw(&shop.cartesian())).await.problem(422, "too_expensive");
    let plan = owner.post("/v1/execute/raw/explain", &raw(&shop.cartesian())).await.expect(200);
    assert!(plan["summary"].as_str().unwrap().contains(&shop.orders) || shop.kind == "mysql", "{plan:#}");

    // What takes little runs, and so does what has no plan.
    let Shop { orders, items, .. } = &shop;
    let narrow = format!("SELECT a.id FROM {orders} AS a JOIN {items} AS b ON a.id = b.id WHERE a.id < 4 ORDER BY 1");
    let rows = owner.post("/v1/execute/raw", &raw(&narrow)).await.expect(200);
    assert_eq!(rows["rows"], json!([[1], [2], [3]]));
    let timing = &shop.owner.newest().await["timing"];
    assert!(["plan_us", "queue_us", "first_row_us", "rows_us"].iter().all(|phase| timing[phase].is_u64()), "{timing}");
    let show = if shop.kind == "mysql" { "SHOW TABLES" } else { "SHOW search_path" };
    owner.post("/v1/execute/raw", &raw(show)).await.expect(200);
    owner.post("/v1/execute/raw", &raw(&format!("EXPLAIN {}", shop.cartesian()))).await.expect(200);
    // What runs the statement to explain it is not asked for.
    let began = Instant::now();
    let ran = owner.post("/v1/execute/raw", &raw(&format!("EXPLAIN ANALYZE {}", shop.cartesian()))).await;
    let refused = ran.problem(422, "too_expensive");
    assert!(refused["detail"].as_str().unwrap().ends_with("leave `ANALYZE` out"), "{refused}");
    assert!(began.elapsed() < AT_ONCE && shop.running().await == 0);
    let unknown = owner.post("/v1/execute/raw", &raw("SELECT * FROM no_such_table")).await;
    unknown.problem(422, "database_error");

    // An assistant reads the same.
    owner
        .post("/v1/servers", &json!({"name": "shop", "sources": ["guarded"], "builtins": ["run_sql"]}))
        .await
        .expect(201);
    let call = json!({"name": "run_sql", "arguments": {"source": "guarded", "sql": shop.cartesian()}});
    let answer = owner.mcp_legacy("/t/demo/mcp/shop", "tools/call", call).await.expect(200);
    assert_eq!(answer["result"]["isError"], true, "{answer:#}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("too_expensive: ") && text.contains("on a condition; there is none"), "{text}");
    assert_eq!(shop.running().await, 0);
    drop(shop.tidegate);
}

async fn holds_to_the_stricter_of_source_and_query(shop: Shop) {
    let owner = &shop.owner;
    let statement = format!("SELECT count(*) FROM {}", shop.orders);
    owner.register(&shop.source("loose", json!({"rows": 1_000_000}))).await;
    owner.register(&shop.source("strict", json!({"rows": 1_000}))).await;
    owner.register(&shop.source("open", json!({}))).await;
    for (name, source, max_estimate, runs) in [
        ("a", "loose", json!({"rows": 1_000}), false),
        ("b", "strict", json!({"rows": 1_000_000}), false),
        ("c", "loose", json!({"rows": 100_000}), true),
        ("d", "open", json!({"rows": 1_000}), false),
        ("e", "open", json!({}), true),
    ] {
        let query = shop.query(name, source, &statement, max_estimate.clone());
        let checked = owner.post("/v1/queries/check", &query).await.expect(200);
        assert_eq!(checked["warnings"].as_array().unwrap().is_empty(), runs, "{name}: {checked:#}");
        owner.post("/v1/queries", &query).await.expect(201);
        let ran = owner.run(name, json!({})).await;
        if runs {
            assert_eq!(ran.expect(200)["rows"], json!([[5_000]]), "{name}");
        } else {
            let detail = ran.problem(422, "too_expensive")["detail"].clone();
            assert!(detail.as_str().unwrap().contains("more than the 1,000 allowed"), "{name}: {detail}");
        }
    }
    // The plan of a call is that of its arguments; one that writes is held to the same, and nothing is written.
    let deletion = json!({
        "name": "delete", "description": "d", "source": "strict", "mode": "write",
        "statement": format!("DELETE FROM {} WHERE id <= {{{{ last }}}}", shop.orders),
        "parameters": [{"name": "last", "type": "integer", "example": 1}],
    });
    owner.post("/v1/queries", &deletion).await.expect(201);
    owner.run("delete", json!({"last": 5_000})).await.problem(422, "too_expensive");
    assert_eq!(owner.run("e", json!({})).await.expect(200)["rows"], json!([[5_000]]));
    owner.run("delete", json!({"last": 2})).await.expect(200);
    assert_eq!(owner.run("e", json!({})).await.expect(200)["rows"], json!([[4_998]]));
    // What is declared is what is read back.
    let read = owner.get("/v1/sources/strict").await.expect(200);
    assert_eq!(read["max_estimate"], json!({"rows": 1_000}));
    assert_eq!(owner.get("/v1/queries/c").await.expect(200)["max_estimate"], json!({"rows": 100_000}));
}

#[tokio::test]
async fn postgres_is_spared_what_would_take_too_much() {
    refuses_what_would_take_too_much(Shop::on("postgres", test_servers::postgres(), "spared").await).await;
}

#[tokio::test]
async fn mariadb_is_spared_what_would_take_too_much() {
    refuses_what_would_take_too_much(Shop::on("mysql", test_servers::mariadb(), "spared").await).await;
}

#[tokio::test]
async fn mysql_is_spared_what_would_take_too_much() {
    refuses_what_would_take_too_much(Shop::on("mysql", test_servers::mysql(), "spared").await).await;
}

#[tokio::test]
async fn the_stricter_bound_holds_on_postgres() {
    holds_to_the_stricter_of_source_and_query(Shop::on("postgres", test_servers::postgres(), "strict").await).await;
}

#[tokio::test]
async fn the_stricter_bound_holds_on_mariadb() {
    holds_to_the_stricter_of_source_and_query(Shop::on("mysql", test_servers::mariadb(), "strict").await).await;
}

#[tokio::test]
async fn the_stricter_bound_holds_on_mysql() {
    holds_to_the_stricter_of_source_and_query(Shop::on("mysql", test_servers::mysql(), "strict").await).await;
}

#[tokio::test]
async fn a_cost_is_held_against_what_the_database_says() {
    for (kind, server) in [("postgres", test_servers::postgres()), ("mysql", test_servers::mysql())] {
        let shop = Shop::on(kind, server, "cost").await;
        shop.owner.register(&shop.source("guarded", json!({"cost": 10_000}))).await;
        let raw = async |sql: &str| shop.owner.post("/v1/execute/raw", &json!({"source": "guarded", "sql": sql})).await;
        let refused = raw(&shop.cartesian()).await.problem(422, "too_expensive");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("more than the 10,000 allowed, most of it for "), "{detail}");
        raw(&format!("SELECT count(*) FROM {}", shop.orders)).await.expect(200);
    }
    // MariaDB 10.11 says nothing of it: whoever saves a query is warned, and nothing runs.
    let shop = Shop::on("mysql", test_servers::mariadb(), "cost").await;
    shop.owner.register(&shop.source("guarded", json!({"cost": 10_000}))).await;
    let query = shop.query("q", "guarded", &format!("SELECT id FROM {}", shop.orders), json!({}));
    let checked = shop.owner.post("/v1/queries/check", &query).await.expect(200);
    assert!(checked["warnings"][0].as_str().unwrap().contains("allow it some `rows` instead"), "{checked:#}");
    shop.owner.post("/v1/queries", &query).await.expect(201);
    shop.owner.run("q", json!({})).await.problem(422, "too_expensive");
}

#[tokio::test]
async fn a_bound_that_can_hold_nothing_is_refused_when_it_is_saved() {
    let tidegate = TestServer::start().await;
    let owner = tidegate.owner();
    let source = |max_estimate: Json| json!({"name": "notes", "max_estimate": max_estimate, "connection": {"sqlite": {"path": "flights.sqlite"}}});
    let refused = owner.post("/v1/sources", &source(json!({"rows": 10}))).await.problem(400, "invalid_request");
    assert_eq!(refused["errors"][0]["field"], "max_estimate", "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("`limits.time_ms`"), "{refused}");
    owner.register(&source(json!({}))).await;
    let body = Some(source(json!({"cost": 10})).to_string());
    let replaced = owner.send(Method::PUT, "/v1/sources/notes", &[("if-match", "\"1\"")], body).await;
    replaced.problem(400, "invalid_request");

    let query = |max_estimate: Json| json!({"name": "q", "description": "d", "source": "flights", "statement": "SELECT 1", "max_estimate": max_estimate});
    for route in ["/v1/queries", "/v1/queries/check"] {
        let refused = owner.post(route, &query(json!({"rows": 10}))).await.problem(400, "invalid_request");
        assert!(refused["detail"].as_str().unwrap().starts_with("SQLite"), "{refused}");
        for (wrong, says) in [
            (json!({"rows": 0}), "nonzero"),
            (json!({"rows": -5}), "nonzero"),
            (json!({"cost": 1.5}), "nonzero"),
            (json!({"cost": "100"}), "nonzero"),
            (json!({"row": 5}), "did you mean `rows`?"),
            (json!(1000), "MaxEstimate"),
        ] {
            let refused = owner.post(route, &query(wrong.clone())).await.problem(400, "invalid_request");
            assert!(refused["detail"].as_str().unwrap().contains(says), "{wrong}: {refused}");
        }
    }
}
