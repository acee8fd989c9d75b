//! Where a database's complaint stands in the template, and which parameter it is about: at save and at run.

use serde_json::{Value as Json, json};
use tests::TestServer;

/// The column that there is not stands in the second line, behind blocks that become more or less text than they are.
const MISSPELT: &str = "SELECT {% if since %}{{ since }} AS since, {% endif %}t.id
  {% if wide %}, 1 AS one, 2 AS two, 3 AS three{% endif %}, t.nam
FROM (SELECT 1 AS id, 'x' AS name) AS t WHERE t.id = {{ id }}";

/// The same, in a branch that only a call with this id takes.
const MISSPELT_LATER: &str = "SELECT {% if since %}{{ since }} AS since, {% endif %}t.id
  {% if wide %}, 1 AS one, 2 AS two, 3 AS three{% endif %}{% if id == 4711 %}, t.nam{% endif %}
FROM (SELECT 1 AS id, 'x' AS name) AS t WHERE t.id = {{ id }}";

fn query(source: &str, statement: &str, parameters: &Json) -> Json {
    json!({"name": "q", "description": "d", "source": source, "statement": statement, "parameters": parameters})
}

fn parameters() -> Json {
    json!([
        {"name": "since", "type": "string", "required": false},
        {"name": "wide", "type": "boolean", "default": false},
        {"name": "id", "type": "integer", "example": 1},
    ])
}

/// The line and column of the first of a problem's errors.
fn place(problem: &Json) -> (u64, u64) {
    let number = |what: &str| problem["errors"][0][what].as_u64().unwrap_or_else(|| panic!("{problem:#}"));
    (number("line"), number("column"))
}

/// Where a word stands in a template.
fn place_of(template: &str, word: &str) -> (u64, u64) {
    let before = &template[..template.find(word).unwrap()];
    let column = before.chars().rev().take_while(|character| *character != '\n').count();
    (before.matches('\n').count() as u64 + 1, column as u64 + 1)
}

#[tokio::test]
async fn a_misspelt_column_is_found_in_the_template_at_save_and_at_run() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&test_servers::postgres().source("pg")).await;
    owner.register(&test_servers::mariadb().source("maria")).await;
    for source in ["pg", "maria", "flights"] {
        let refused = owner.post("/v1/queries", &query(source, MISSPELT, &parameters())).await;
        let refused = refused.problem(422, "database_error");
        assert_eq!(place(&refused), place_of(MISSPELT, "t.nam"), "{source}: {refused:#}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with("in the branch ") && detail.contains("nam"), "{source}: {detail}");
        assert!(refused["errors"][0]["message"].as_str().unwrap().contains("nam"), "{source}: {refused:#}");

        let made = owner.post("/v1/queries", &query(source, MISSPELT_LATER, &parameters())).await.expect(201);
        for arguments in [json!({"id": 4711}), json!({"id": 4711, "wide": true, "since": "2024-01-01"})] {
            let failed = owner.run("q", arguments).await.problem(422, "database_error");
            assert_eq!(place(&failed), place_of(MISSPELT_LATER, "t.nam"), "{source}: {failed:#}");
        }
        owner.run("q", json!({"id": 1})).await.expect(200);
        owner.delete("/v1/queries/q", made["version"].as_u64().unwrap()).await.expect(204);
    }
}

#[tokio::test]
async fn the_page_of_an_ordered_query_does_not_move_its_places() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&test_servers::postgres().source("pg")).await;
    owner.register(&test_servers::mariadb().source("maria")).await;
    for source in ["pg", "maria", "flights"] {
        let mut spec = query(source, MISSPELT_LATER, &parameters());
        spec["order"] = json!([{"column": "id"}]);
        let made = owner.post("/v1/queries", &spec).await.expect(201);
        let failed = owner.run("q", json!({"id": 4711, "wide": true})).await.problem(422, "database_error");
        assert_eq!(place(&failed), place_of(MISSPELT_LATER, "t.nam"), "{source}: {failed:#}");
        owner.delete("/v1/queries/q", made["version"].as_u64().unwrap()).await.expect(204);
    }
}

#[tokio::test]
async fn a_syntax_error_of_mariadb_has_its_line_and_column() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&test_servers::mariadb().source("maria")).await;
    let statement = "SELECT\n  {% if wide %}'a much longer text', {% endif %}CAST({{ id }} AS TEXT)";
    let parameters = json!([{"name": "wide", "type": "boolean", "default": false}, {"name": "id", "type": "integer"}]);
    let refused = owner.post("/v1/queries", &query("maria", statement, &parameters)).await;
    let refused = refused.problem(422, "database_error");
    assert_eq!(place(&refused), place_of(statement, "TEXT"), "{refused:#}");
}

#[tokio::test]
async fn a_parameter_of_the_wrong_type_is_named_at_save_and_at_run() {
    let server = TestServer::start().await;
    let owner = server.owner();
    owner.register(&test_servers::postgres().source("pg")).await;
    owner.register(&test_servers::mariadb().source("maria")).await;

    // The server wants a date where the template has a number.
    let statement = "SELECT 1 AS one\nWHERE {% if wide %}true AND {% endif %}date '2024-01-01' > {{ days }}";
    let parameters =
        json!([{"name": "wide", "type": "boolean", "default": false}, {"name": "days", "type": "integer"}]);
    let refused = owner.post("/v1/queries", &query("pg", statement, &parameters)).await;
    let refused = refused.problem(422, "invalid_statement");
    assert_eq!(place(&refused), place_of(statement, "{{ days }}"), "{refused:#}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("$1 (the parameter `days`) is of type date, which takes no integer"), "{detail}");

    // Only the second text is one that the server cannot read.
    let statement = "SELECT 1 AS one WHERE date '2024-01-01' > {{ since }} AND interval '1 day' > {{ span }}";
    let parameters = json!([
        {"name": "span", "type": "string", "example": "1 hour"},
        {"name": "since", "type": "string", "example": "2023-12-31"},
    ]);
    owner.post("/v1/queries", &query("pg", statement, &parameters)).await.expect(201);
    owner.run("q", json!({"span": "1 hour", "since": "2023-12-31"})).await.expect(200);
    let failed = owner.run("q", json!({"span": "soon", "since": "2023-12-31"})).await.problem(400, "invalid_argument");
    assert_eq!(failed["errors"][0]["field"], "span", "{failed:#}");
    assert_eq!(
        failed["detail"], r#"invalid input syntax for type interval: "soon", for $2 (the parameter `span`)"#,
        "{failed:#}"
    );

    let parameters = json!([{"name": "id", "type": "integer"}, {"name": "x", "type": "number", "example": "1.5"}]);
    let mut spec = query("maria", "SELECT {{ id }} AS id, {{ x }} AS x", &parameters);
    spec["name"] = json!("decimals");
    owner.post("/v1/queries", &spec).await.expect(201);
    let failed = owner.run("decimals", json!({"id": 1, "x": "1e70"})).await.problem(400, "invalid_argument");
    assert_eq!(failed["errors"][0]["field"], "x", "{failed:#}");
}
