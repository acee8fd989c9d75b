//! PostgreSQL, MariaDB and MySQL sources, from registration to rows over HTTP and MCP, with real servers.

use serde_json::{Value as Json, json};
use sqlx::Connection as _;
use test_servers::Server;
use tests::{Client, TestServer, unique};

/// A source whose SQL may be written for once.
fn source(name: &str, server: &Server) -> Json {
    let mut source = server.source(name);
    source["allow_raw"] = json!(true);
    source
}

/// Makes a table through a write query, fills it, and reads it in every way.
async fn journey(owner: &Client, name: &str, product: &str) {
    let table = unique("t_");
    assert_eq!(owner.post(&format!("/v1/sources/{name}/test"), &json!({})).await.expect(200)["product"], product);
    let text = if name == "pg" { "text" } else { "varchar(20)" };
    // A query that changes the shape of the database is refused, so the table is made by the test's own client.
    make_table(
        name,
        &format!("CREATE TABLE {table} (id integer PRIMARY KEY, name {text} NOT NULL, price numeric(10,2))"),
    )
    .await;

    let add = json!({
        "name": format!("{name}_add"), "description": "adds", "source": name, "mode": "write",
        "statement": format!("INSERT INTO {table} (id, name, price) VALUES ({{{{ id }}}}, {{{{ name }}}}, {{{{ price }}}})"),
        "parameters": [
            {"name": "id", "type": "integer", "example": 1}, {"name": "name", "type": "string", "example": "x"},
            {"name": "price", "type": "number", "required": false},
        ],
    });
    owner.post("/v1/queries", &add).await.expect(201);
    for id in 1..=5 {
        let arguments =
            json!({"id": id, "name": format!("thing {id}"), "price": if id == 5 { Json::Null } else { json!("1.10") }});
        assert_eq!(owner.run(&format!("{name}_add"), arguments).await.expect(200)["rows"], json!([[1]]));
    }
    let duplicate =
        owner.run(&format!("{name}_add"), json!({"id": 1, "name": "x"})).await.problem(422, "database_error");
    assert_eq!(duplicate["sqlstate"], if name == "pg" { "23505" } else { "23000" });

    let find = json!({
        "name": format!("{name}_find"), "description": "finds", "source": name,
        "statement": format!("SELECT id, name, price FROM {table} WHERE id IN ({{{{ ids | inlist }}}}) {{% if like %}}AND name LIKE {{{{ like }}}}{{% endif %}}"),
        "parameters": [
            {"name": "ids", "type": "list", "items": {"type": "integer"}, "example": [1]},
            {"name": "like", "type": "string", "required": false},
        ],
        "order": [{"column": "id"}],
    });
    let found = owner.post("/v1/queries", &find).await.expect(201);
    assert_eq!((&found["proof"], &found["columns"][2]["type"]), (&json!("described"), &json!("decimal")));
    let mut seen = Vec::new();
    let mut cursor = Json::Null;
    loop {
        let body = json!({"arguments": {"ids": [1, 2, 3, 4, 5]}, "limits": {"rows": 2}, "cursor": cursor});
        let page = owner.post(&format!("/v1/execute/{name}_find"), &body).await.expect(200);
        seen.extend(page["rows"].as_array().unwrap().iter().cloned());
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert_eq!((&seen[0], &seen[4]), (&json!([1, "thing 1", "1.10"]), &json!([5, "thing 5", null])));
    let some = owner.run(&format!("{name}_find"), json!({"ids": [1, 2], "like": "%2"})).await.expect(200);
    assert_eq!(some["rows"], json!([[2, "thing 2", "1.10"]]));
    assert_eq!(owner.run(&format!("{name}_find"), json!({"ids": []})).await.expect(200)["rows"], json!([]));

    let explained = json!({"arguments": {"ids": [1]}});
    let plan = owner.post(&format!("/v1/execute/{name}_find/explain"), &explained).await.expect(200);
    assert!(plan["summary"].as_str().unwrap().contains(&table), "{plan:#}");

    let server = json!({"name": name, "queries": [format!("{name}_find")], "sources": [name],
                        "builtins": ["list_tables", "describe_table", "run_sql"]});
    owner.post("/v1/servers", &server).await.expect(201);
    let path = format!("/t/demo/mcp/{name}");
    let call = json!({"name": format!("{name}_find"), "arguments": {"ids": [3]}});
    let rows = owner.mcp_modern(&path, "tools/call", call).await.expect(200);
    assert_eq!(rows["result"]["structuredContent"]["rows"], json!([[3, "thing 3", "1.10"]]));
    let described = owner
        .mcp_legacy(&path, "tools/call", json!({"name": "describe_table", "arguments": {"table": table}}))
        .await
        .expect(200);
    assert!(described["result"]["content"][0]["text"].as_str().unwrap().contains("primary key (id)"), "{described:#}");

    let raw = async |sql: String| owner.post("/v1/execute/raw", &json!({"source": name, "sql": sql})).await;
    raw(format!("DELETE FROM {table}")).await.problem(403, "statement_not_allowed");
    raw("SELEC 1".to_owned()).await.problem(422, "invalid_statement");
    let absent = raw("SELECT * FROM no_such_table".to_owned()).await.problem(422, "database_error");
    assert_eq!(absent["sqlstate"], if name == "pg" { "42P01" } else { "42S02" });
    assert_eq!(raw(format!("SELECT count(*) AS n FROM {table}")).await.expect(200)["rows"], json!([[5]]));
}

/// Runs DDL, which no route of Tidegate does.
async fn make_table(name: &str, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    if name == "pg" {
        let mut connection = sqlx::PgConnection::connect(&test_servers::postgres().url()).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    } else {
        let server = if name == "maria" { test_servers::mariadb() } else { test_servers::mysql() };
        let mut connection = sqlx::MySqlConnection::connect(&server.url()).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn postgres_from_registration_to_rows() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&source("pg", test_servers::postgres())).await;
    journey(&owner, "pg", "PostgreSQL").await;
}

#[tokio::test]
async fn mariadb_from_registration_to_rows() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&source("maria", test_servers::mariadb())).await;
    journey(&owner, "maria", "MariaDB").await;
}

#[tokio::test]
async fn mysql_from_registration_to_rows() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&source("mysql", test_servers::mysql())).await;
    journey(&owner, "mysql", "MySQL").await;
}

#[tokio::test]
async fn rows_of_postgres_keep_their_shape_in_every_format() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&source("pg", test_servers::postgres())).await;
    let raw = async |format: &str, sql: &str| {
        owner.post(&format!("/v1/execute/raw?format={format}"), &json!({"source": "pg", "sql": sql})).await
    };

    // Rows without columns are rows.
    let bare = "SELECT FROM generate_series(1, 2)";
    for (format, row) in [("json", json!([])), ("objects", json!({}))] {
        let answer = raw(format, bare).await.expect(200);
        assert_eq!((&answer["columns"], &answer["rows"]), (&json!([]), &json!([row, row])), "{answer}");
        assert_eq!(answer["row_count"], 2);
    }
    let lines = raw("ndjson", bare).await.text;
    assert!(lines.starts_with("{}\n{}\n{\"tidegate\":{\"row_count\":2,") && lines.lines().count() == 3, "{lines}");
    assert_eq!(raw("csv", bare).await.text, "\r\n\r\n\r\n");

    // A value of type json keeps its line breaks, and is no line of a stream.
    let forged = r#"SELECT e'{"a":\n{"tidegate":{"row_count":9}}\r\n}'::json AS j"#;
    let lines = raw("ndjson", forged).await.text;
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [row, end] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&row["j"]["a"]["tidegate"]["row_count"], &end["tidegate"]["row_count"]), (&json!(9), &json!(1)));
}

#[tokio::test]
async fn a_source_that_cannot_be_used_says_why_and_keeps_its_queries() {
    let server = TestServer::start().await;
    let owner = server.owner();
    for (kind, real) in [("postgres", test_servers::postgres()), ("mysql", test_servers::mariadb())] {
        let (wrong, gone) = (format!("{kind}-wrong"), format!("{kind}-gone"));
        let mut spec = source(&wrong, real);
        spec["credentials"]["password"] = json!("not-the-password");
        owner.register(&spec).await;
        let problem = owner.post(&format!("/v1/sources/{wrong}/test"), &json!({})).await;
        problem.problem(502, "source_authentication_failed");
        assert!(!problem.text.contains("not-the-password"));

        let mut spec = source(&gone, real);
        spec["connection"][kind]["port"] = json!(1);
        owner.register(&spec).await;
        owner.post(&format!("/v1/sources/{gone}/test"), &json!({})).await.problem(502, "source_unavailable");
        let query = json!({"name": format!("{kind}-unproved"), "description": "d", "source": gone, "statement": "SELECT 1 AS one"});
        let made = owner.post("/v1/queries", &query).await.expect(201);
        assert_eq!((&made["proof"], &made["revision"]), (&json!("parsed"), &Json::Null));
        owner.run(&format!("{kind}-unproved"), json!({})).await.problem(404, "not_found");

        // TLS is the default, and a server without it is not spoken to in the clear.
        let mut spec = source(&format!("{kind}-tls"), real);
        spec["connection"][kind].as_object_mut().unwrap().remove("tls");
        owner.register(&spec).await;
        owner.post(&format!("/v1/sources/{kind}-tls/test"), &json!({})).await.problem(502, "source_unavailable");
    }
}

#[tokio::test]
async fn a_login_that_may_do_more_than_read_is_told_with_what_takes_it_away() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let (postgres, mariadb) = (test_servers::postgres(), test_servers::mariadb());
    let warned = async |spec: Json| {
        let made = owner.register(&spec).await;
        let warnings = made["warnings"].as_array().unwrap().iter();
        warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut spec = source("pg-admin", postgres);
    spec["connection"]["postgres"]["user"] = json!(postgres.admin_user);
    spec["credentials"]["password"] = json!(postgres.admin_password);
    let warnings = warned(spec).await;
    assert!(warnings[0].contains("superuser") && warnings[0].contains("NOSUPERUSER"), "{warnings:?}");
    let warnings = warned(source("pg-owner", postgres)).await;
    assert!(warnings.iter().any(|warning| warning.contains("REVOKE CREATE ON SCHEMA public")), "{warnings:?}");
    let warnings = warned(source("maria-owner", mariadb)).await;
    assert!(warnings.iter().any(|warning| warning.contains("REVOKE ALL PRIVILEGES ON")), "{warnings:?}");

    let mut gone = source("pg-gone", postgres);
    gone["connection"]["postgres"]["port"] = json!(1);
    assert!(warned(gone).await[0].contains("not known"));
    let file = json!({"name": "file", "connection": {"sqlite": {"path": "flights.sqlite"}}});
    assert_eq!(warned(file).await, Vec::<String>::new());
}
