//! Raw SQL that changes rows: only where the source says so, only when the caller says so, and nothing worse.

use serde_json::{Value as Json, json};
use sqlx::Connection as _;
use test_servers::Server;
use tests::{Answer, Client, TestServer, unique};

/// Runs raw SQL with this mode.
async fn raw(client: &Client, source: &str, mode: &str, sql: &str) -> Answer {
    client.post("/v1/execute/raw", &json!({"source": source, "mode": mode, "sql": sql})).await
}

/// A source with both flags, `db`, and one without the second, `readable`.
async fn register_both(owner: &Client, connection: &Json, credentials: &Json) {
    for (name, writes) in [("db", true), ("readable", false)] {
        let source = json!({"name": name, "connection": connection, "credentials": credentials, "allow_raw": true,
                            "allow_raw_writes": writes});
        assert_eq!(owner.register(&source).await["allow_raw_writes"], writes);
    }
}

/// Everything that holds on every engine. `items` is a table of an id and a name with the one row `(1, 'one')`, `id` the
/// name of its key. Those of `forbidden` are the engine's own ways to do more than change rows.
async fn attacks(server: &TestServer, (items, id): (&str, &str), forbidden: &[&str]) {
    let owner = server.owner();
    let all = format!("SELECT CAST({id} AS char(1)) AS id, name FROM {items} ORDER BY 1");
    let rows = async || raw(&owner, "db", "read", &all).await.expect(200)["rows"].clone();
    let insert = format!("INSERT INTO {items} ({id}, name) VALUES (2, 'two')");
    let untouched = json!([["1", "one"]]);

    // Both the source and the caller have to say so.
    raw(&owner, "db", "read", &insert).await.problem(403, "statement_not_allowed");
    let silent = json!({"source": "db", "sql": insert});
    owner.post("/v1/execute/raw", &silent).await.problem(403, "statement_not_allowed");
    let closed = raw(&owner, "readable", "write", &insert).await.problem(403, "forbidden");
    assert!(closed["detail"].as_str().unwrap().contains("`allow_raw_writes: true`"), "{closed}");
    raw(&owner, "db", "admin", &insert).await.problem(400, "invalid_request");

    // And the caller has to be an editor of the whole tenant.
    for (name, role, scope, status, code) in [
        ("a-viewer", "viewer", json!({}), 403, "forbidden"),
        ("a-runner", "runner", json!({}), 403, "forbidden"),
        ("narrowed", "editor", json!({"servers": ["tools"]}), 404, "not_found"),
    ] {
        let caller = server.with_role(name, role, scope).await;
        raw(&caller, "db", "write", &insert).await.problem(status, code);
    }

    // A tool reads, whoever calls it.
    for arguments in [json!({"source": "db", "sql": insert}), json!({"source": "db", "sql": insert, "mode": "write"})] {
        let call = json!({"name": "run_sql", "arguments": arguments});
        for told in [
            owner.mcp_legacy("/t/demo/mcp/tools", "tools/call", call.clone()).await.expect(200),
            owner.mcp_modern("/t/demo/mcp/tools", "tools/call", call).await.expect(200),
        ] {
            assert_eq!(told["result"]["isError"], true, "{told:#}");
        }
    }
    assert_eq!(rows().await, untouched);

    // One statement, and nothing that does more than change rows.
    let table = format!("CREATE TABLE {items}_more (id integer)");
    let [drop, alter] = [format!("DROP TABLE {items}"), format!("ALTER TABLE {items} ADD extra integer")];
    let [twice, hidden] = [format!("{insert}; {insert}"), format!("{insert}; -- \n DROP TABLE {items}")];
    let [commit, commented] = [format!("{insert}; COMMIT"), format!("COMMIT; {insert}")];
    let shared = [&table, &drop, &alter, &twice, &hidden, &commit, &commented].map(String::as_str);
    let sessions = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "", ";", "GRANT ALL ON items TO PUBLIC"];
    for sql in shared.iter().chain(&sessions).chain(forbidden) {
        for path in ["/v1/execute/raw", "/v1/execute/raw/explain", "/v1/execute/raw?format=ndjson"] {
            let answer = owner.post(path, &json!({"source": "db", "mode": "write", "sql": sql})).await;
            let problem = answer.json();
            assert!(
                ["statement_not_allowed", "invalid_statement"].contains(&problem["code"].as_str().unwrap_or_default()),
                "{path} {sql}: {}",
                answer.text
            );
            assert!(problem["detail"].as_str().unwrap().len() > 10, "{sql}: {problem}");
        }
    }
    // What only reads has pages, so it is run for reading.
    let reads = raw(&owner, "db", "write", &all).await.problem(403, "statement_not_allowed");
    assert!(reads["detail"].as_str().unwrap().contains("only reads"), "{reads}");
    assert_eq!(rows().await, untouched);

    // Explaining it changes nothing.
    let body = json!({"source": "db", "mode": "write", "sql": insert});
    owner.post("/v1/execute/raw/explain", &body).await.expect(200);
    owner.post("/v1/execute/raw/explain", &silent).await.problem(403, "statement_not_allowed");
    assert_eq!(rows().await, untouched);

    // What fails leaves nothing behind, and what succeeds says how many rows it changed.
    let half = format!("INSERT INTO {items} ({id}, name) VALUES (3, 'three'), (1, 'one again')");
    raw(&owner, "db", "write", &half).await.problem(422, "database_error");
    assert_eq!(rows().await, untouched);
    let editor = server.with_role("an-editor", "editor", json!({})).await;
    let done = raw(&editor, "db", "write", &format!("{insert};")).await.expect(200);
    assert_eq!((&done["columns"][0]["name"], &done["rows"]), (&json!("affected_rows"), &json!([[1]])));
    assert_eq!(done["next_cursor"], Json::Null);
    let stored = &owner.get("/v1/executions").await.expect(200)["items"][0];
    assert_eq!((&stored["query"], &stored["outcome"]), (&Json::Null, &json!("ok")));
    let changed = raw(&editor, "db", "write", &format!("UPDATE {items} SET name = 'changed'")).await.expect(200);
    assert_eq!(changed["rows"], json!([[2]]));
    assert_eq!(rows().await, json!([["1", "changed"], ["2", "changed"]]));
}

/// A server with a source of this kind and its table of items; gives back the table's name.
async fn with_items(kind: &str, database: &Server) -> (TestServer, String) {
    let server = TestServer::start().await;
    register_both(&server.owner(), &database.connection(), &json!({"password": database.password})).await;
    let tools = json!({"name": "tools", "sources": ["db"], "builtins": ["run_sql"]});
    server.owner().post("/v1/servers", &tools).await.expect(201);
    let items = unique("raw_writes_");
    let setup = [
        format!("CREATE TABLE {items} (id integer PRIMARY KEY, name varchar(20) NOT NULL)"),
        format!("INSERT INTO {items} VALUES (1, 'one')"),
    ];
    for statement in setup {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        if kind == "mysql" {
            statement.execute(&mut sqlx::MySqlConnection::connect(&database.url()).await.unwrap()).await.unwrap();
        } else {
            statement.execute(&mut sqlx::PgConnection::connect(&database.url()).await.unwrap()).await.unwrap();
        }
    }
    (server, items)
}

#[tokio::test]
async fn raw_writes_to_postgres_change_rows_and_no_more() {
    let (server, items) = with_items("postgres", test_servers::postgres()).await;
    let [function, do_block, copy, lock] = [
        format!("INSERT INTO {items} SELECT 7, pg_read_file('/etc/passwd')"),
        format!("DO $$ BEGIN DELETE FROM {items}; END $$"),
        format!("COPY {items} FROM PROGRAM 'id'"),
        format!("LOCK TABLE {items}"),
    ];
    let forbidden = [
        "SET ROLE postgres",
        "SET TRANSACTION READ WRITE",
        "VACUUM",
        "SELECT * INTO raw_writes_copy FROM pg_class",
        "UPDATE pg_settings SET setting = '0' WHERE name = set_config('default_transaction_read_only', 'off', false)",
        &function,
        &do_block,
        &copy,
        &lock,
    ];
    attacks(&server, (&items, "id"), &forbidden).await;
    // Rows that a write gives back are its result.
    let sql = format!("DELETE FROM {items} WHERE id = 2 RETURNING id, name");
    let deleted = raw(&server.owner(), "db", "write", &sql).await.expect(200);
    assert_eq!(deleted["rows"], json!([[2, "changed"]]));
}

#[tokio::test]
async fn raw_writes_to_mariadb_change_rows_and_no_more() {
    let (server, items) = with_items("mysql", test_servers::mariadb()).await;
    let [file, load, hidden] = [
        format!("SELECT * FROM {items} INTO OUTFILE '/tmp/raw_writes'"),
        format!("INSERT INTO {items} VALUES (7, LOAD_FILE('/etc/passwd'))"),
        format!("INSERT INTO {items} VALUES (7, 'x') /*! ON DUPLICATE KEY UPDATE name = 'y' */"),
    ];
    let forbidden = [
        "SET GLOBAL read_only = 0",
        "SET @@session.sql_mode = ''",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
        "CALL anything()",
        "LOCK TABLES t WRITE",
        &file,
        &load,
        &hidden,
    ];
    attacks(&server, (&items, "id"), &forbidden).await;
}

#[tokio::test]
async fn raw_writes_to_sqlite_change_rows_and_no_more() {
    let server = TestServer::start().await;
    let owner = server.owner();
    std::fs::copy(server.folder.path().join("flights.sqlite"), server.folder.path().join("own.sqlite")).unwrap();
    register_both(&owner, &json!({"sqlite": {"path": "own.sqlite"}}), &Json::Null).await;
    let tools = json!({"name": "tools", "sources": ["db"], "builtins": ["run_sql"]});
    owner.post("/v1/servers", &tools).await.expect(201);
    for table in ["flights", "airlines"] {
        raw(&owner, "db", "write", &format!("DELETE FROM {table}")).await.expect(200);
    }
    raw(&owner, "db", "write", "INSERT INTO airlines (carrier, name) VALUES (1, 'one')").await.expect(200);
    let forbidden = [
        "ATTACH 'other.sqlite' AS other",
        "PRAGMA writable_schema = 1",
        "VACUUM INTO 'copy.sqlite'",
        "REINDEX",
        "INSERT INTO airlines VALUES (7, load_extension('x'))",
    ];
    attacks(&server, ("airlines", "carrier"), &forbidden).await;
}

#[tokio::test]
async fn a_source_cannot_allow_raw_writes_without_raw_sql() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let mut source =
        json!({"name": "db", "connection": {"sqlite": {"path": "flights.sqlite"}}, "allow_raw_writes": true});
    let problem = owner.post("/v1/sources", &source).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "allow_raw_writes");
    source["allow_raw"] = json!(true);
    owner.register(&source).await;
    source["allow_raw"] = json!(false);
    owner.put("/v1/sources/db", 1, &source).await.problem(400, "invalid_request");
    // By default it does not.
    assert_eq!(owner.get("/v1/sources/flights").await.expect(200)["allow_raw_writes"], false);
}
