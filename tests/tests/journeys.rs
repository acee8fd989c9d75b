//! What a deployment is for, from the first source to the last answer. The same journeys go through a server of this
//! process, through the functions on one port, and through a gateway: `TIDEGATE_TEST_URL` and `TIDEGATE_TEST_KEY` say
//! where. A deployment elsewhere needs `TIDEGATE_TEST_POSTGRES_URL`, a PostgreSQL that it reaches as well, with TLS.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value as Json, json};
use sqlx::Connection as _;
use tests::{Client, Deployment, unique, until};

/// How long a function may rely on what it read before another function changed it, and some more.
const SEEN_EVERYWHERE: Duration = Duration::from_secs(20);

/// A deployment with a PostgreSQL source, and a query over a table of five rows.
struct Journey {
    deployment: Deployment,
    /// The name of the source, of the query and of the table, which no other journey has.
    name: String,
}

impl Journey {
    async fn begin() -> Self {
        let deployment = Deployment::given_or_started().await;
        let name = unique("j");
        let postgres = test_servers::postgres();
        let mut connection = sqlx::PgConnection::connect(&postgres.url()).await.unwrap();
        let table = format!(
            "CREATE TABLE {name} (id integer PRIMARY KEY, label text NOT NULL, price numeric(10,2)); \
             INSERT INTO {name} SELECT i, 'thing ' || i, 1.10 FROM generate_series(1, 5) AS i"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&mut connection).await.unwrap();
        let journey = Self { deployment, name };
        let mut source = postgres.source(&journey.name);
        source["allow_raw"] = json!(true);
        if !journey.deployment.is_local {
            source["connection"]["postgres"]["tls"] = json!({"mode": "verify_full"});
        }
        journey.owner().register(&source).await;
        journey.owner().post("/v1/queries", &journey.query("ORDER BY id")).await.expect(201);
        journey
    }

    fn owner(&self) -> &Client {
        &self.deployment.owner
    }

    fn query(&self, order: &str) -> Json {
        let name = &self.name;
        json!({
            "name": name, "description": "things from a number on", "source": name,
            "statement": format!("SELECT id, label, price FROM {name} WHERE id >= {{{{ least }}}} {order}"),
            "parameters": [{"name": "least", "type": "integer", "minimum": 0, "example": 1}],
        })
    }

    async fn make_server(&self) {
        let server = json!({"name": self.name, "queries": [self.name], "sources": [self.name],
                            "builtins": ["list_tables", "run_sql"]});
        self.owner().post("/v1/servers", &server).await.expect(201);
    }

    /// The path of the server's MCP endpoint.
    fn endpoint(&self) -> String {
        format!("/t/{}/mcp/{}", self.deployment.tenant, self.name)
    }

    /// The path of the query, with what follows it.
    fn path(&self, rest: &str) -> String {
        format!("/v1/queries/{}{rest}", self.name)
    }

    /// The ids that a caller gets from the query.
    async fn ids(&self, caller: &Client) -> Json {
        let answer = caller.run(&self.name, json!({"least": 4})).await.expect(200);
        answer["rows"].as_array().unwrap().iter().map(|row| row[0].clone()).collect()
    }

    /// Lets a change reach every function.
    async fn until(&self, seen: impl AsyncFn(&Self) -> bool) {
        until("a change is seen", SEEN_EVERYWHERE, async || seen(self).await).await;
    }
}

#[tokio::test]
async fn a_source_becomes_a_query_that_runs_page_by_page_and_is_in_the_history() {
    let journey = Journey::begin().await;
    let (owner, name) = (journey.owner(), &journey.name);
    let tested = owner.post(&format!("/v1/sources/{name}/test"), &json!({})).await.expect(200);
    assert_eq!(tested["product"], "PostgreSQL");
    let table = owner.get(&format!("/v1/sources/{name}/schemas/public/tables/{name}")).await.expect(200);
    assert_eq!(table["columns"][1]["name"], "label", "{table:#}");
    let saved = owner.get(&journey.path("")).await.expect(200);
    assert_eq!((&saved["proof"], &saved["columns"][2]["type"]), (&json!("described"), &json!("decimal")));

    let (mut rows, mut cursor) = (Vec::new(), Json::Null);
    let execute = format!("/v1/execute/{name}");
    loop {
        let body = json!({"arguments": {"least": 1}, "limits": {"rows": 2}, "cursor": cursor});
        let page = owner.post(&execute, &body).await.expect(200);
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((rows.len(), &rows[4]), (5, &json!([5, "thing 5", "1.10"])));
    let csv = owner.post(&format!("{execute}?format=csv"), &json!({"arguments": {"least": 5}})).await;
    assert_eq!((csv.status.as_u16(), csv.text.as_str()), (200, "id,label,price\r\n5,thing 5,1.10\r\n"));
    owner.run(name, json!({"least": -1})).await.problem(400, "invalid_argument");
    let plan = owner.post(&format!("{execute}/explain"), &json!({"arguments": {"least": 1}})).await.expect(200);
    assert!(plan["summary"].as_str().unwrap().contains(name.as_str()), "{plan:#}");
    let raw = json!({"source": name, "sql": format!("DELETE FROM {name}")});
    owner.post("/v1/execute/raw", &raw).await.problem(403, "statement_not_allowed");

    let history = owner.get(&format!("/v1/executions?query={name}&outcome=ok")).await.expect(200);
    let counts: Vec<u64> = history["items"].as_array().unwrap().iter().map(|it| it["rows"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1], "{history:#}");
    let all = owner.get(&format!("/v1/executions?query={name}")).await.expect(200);
    let first = all["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&first["outcome"], &first["rows"]), (&json!("truncated"), &json!(2)));
    let read = owner.get(&format!("/v1/executions/{}", first["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(read, first);

    owner.delete(&format!("/v1/sources/{name}?cascade=true"), 1).await.expect(204);
    journey.until(async |it| it.owner().run(&it.name, json!({"least": 1})).await.status == 404).await;
}

#[tokio::test]
async fn an_assistant_of_either_era_finds_the_tools_and_calls_them() {
    let journey = Journey::begin().await;
    journey.make_server().await;
    let (owner, endpoint, name) = (journey.owner(), journey.endpoint(), &journey.name);
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    let hello = owner.mcp_legacy(&endpoint, "initialize", hello).await.expect(200);
    assert_eq!(hello["result"]["serverInfo"]["name"], *name);
    let found = owner.mcp_modern(&endpoint, "server/discover", json!({})).await.expect(200);
    assert!(found["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{found:#}");

    let names = |tools: &Json| -> Vec<String> {
        let tools = tools["result"]["tools"].as_array().unwrap_or_else(|| panic!("{tools:#}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let listed = names(&owner.mcp_legacy(&endpoint, "tools/list", json!({})).await.expect(200));
    assert!(listed.len() == 3 && listed.contains(name), "{listed:?}");
    assert_eq!(names(&owner.mcp_modern(&endpoint, "tools/list", json!({})).await.expect(200)), listed);

    let call = |least: i64| json!({"name": name, "arguments": {"least": least}});
    let expected = json!([[5, "thing 5", "1.10"]]);
    let legacy = owner.mcp_legacy(&endpoint, "tools/call", call(5)).await.expect(200);
    assert_eq!(legacy["result"]["structuredContent"]["rows"], expected, "{legacy:#}");
    let modern = owner.mcp_modern(&endpoint, "tools/call", call(5)).await.expect(200);
    assert_eq!(modern["result"]["structuredContent"]["rows"], expected, "{modern:#}");
    let refused = owner.mcp_modern(&endpoint, "tools/call", call(-1)).await.expect(200);
    assert_eq!(refused["result"]["isError"], true, "{refused:#}");
    let sql = json!({"name": "run_sql", "arguments": {"sql": format!("SELECT count(*) AS n FROM {name}")}});
    let counted = owner.mcp_legacy(&endpoint, "tools/call", sql).await.expect(200);
    assert_eq!(counted["result"]["structuredContent"]["rows"], json!([[5]]), "{counted:#}");
}

#[tokio::test]
async fn a_draft_runs_for_nobody_until_it_is_published_and_the_way_back_stays_open() {
    let journey = Journey::begin().await;
    let owner = journey.owner();
    assert_eq!(journey.ids(owner).await, json!([4, 5]));
    owner.put(&journey.path("?draft=true"), 1, &journey.query("ORDER BY id DESC")).await.expect(200);
    assert_eq!(journey.ids(owner).await, json!([4, 5]));
    let publish = async |version: u64, body: Json| {
        let headers = [("if-match", &*format!("\"{version}\""))];
        owner.send(Method::POST, &journey.path("/publish"), &headers, Some(body.to_string())).await
    };
    publish(1, json!({})).await.problem(409, "version_conflict");
    publish(2, json!({})).await.expect(200);
    journey.until(async |it| it.ids(it.owner()).await == json!([5, 4])).await;
    publish(3, json!({"revision": 1})).await.expect(200);
    journey.until(async |it| it.ids(it.owner()).await == json!([4, 5])).await;
    let revisions = owner.get(&journey.path("/revisions")).await.expect(200);
    assert_eq!(revisions["items"].as_array().unwrap().len(), 2, "{revisions:#}");
    let differs = owner.get(&journey.path("/diff?from=1&to=2")).await.expect(200);
    assert!(differs.to_string().contains("ORDER BY id DESC"), "{differs:#}");
}

#[tokio::test]
async fn a_key_sees_what_it_was_narrowed_to_until_it_is_revoked() {
    let journey = Journey::begin().await;
    let (owner, name) = (journey.owner(), &journey.name);
    let hidden = format!("{name}_hidden");
    let mut query = journey.query("ORDER BY id");
    query["name"] = json!(hidden);
    owner.post("/v1/queries", &query).await.expect(201);
    let key = json!({"name": name, "role": "runner", "scope": {"queries": [name]}});
    let made = owner.post("/v1/keys", &key).await.expect(201);
    let runner = owner.with_key(made["key"].as_str().unwrap());

    assert_eq!(journey.ids(&runner).await, json!([4, 5]));
    runner.run(&hidden, json!({"least": 4})).await.problem(404, "not_found");
    runner.get("/v1/queries").await.problem(403, "forbidden");
    let tools = format!("/t/{}/mcp", journey.deployment.tenant);
    let tools = runner.mcp_modern(&tools, "tools/list", json!({})).await.expect(200);
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 1, "{tools:#}");

    owner.delete(&format!("/v1/keys/{name}"), 1).await.expect(200);
    journey.until(async |it| runner.run(&it.name, json!({"least": 4})).await.status == 401).await;
    for path in ["/v1/me", "/v1/sources", "/v1/executions", &journey.endpoint()] {
        let method = if path.starts_with("/t/") { Method::POST } else { Method::GET };
        owner.with_key("").send(method, path, &[], None).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_a_problem_with_the_id_of_the_call() {
    let journey = Journey::begin().await;
    let owner = journey.owner();
    assert_eq!(owner.with_key("").get("/health/ready").await.expect(200)["status"], "ok");
    owner.get("/v1/nothing").await.problem(404, "not_found");
    owner.send(Method::PATCH, "/v1/queries", &[], None).await.problem(405, "invalid_request");
    owner.send(Method::POST, "/v1/queries", &[], Some("{".to_owned())).await.problem(400, "invalid_request");
    owner.post("/v1/queries", &journey.query("ORDER BY id")).await.problem(409, "already_exists");
    owner.put(&journey.path(""), 7, &journey.query("ORDER BY id")).await.problem(409, "version_conflict");
    owner.post("/v1/queries", &json!({"name": "x"})).await.problem(400, "invalid_request");
    let wrong = owner.run(&journey.name, json!({"least": "é€😀 \u{1}\"\\"})).await.problem(400, "invalid_argument");
    assert!(wrong["errors"][0].is_object() || wrong["detail"].is_string(), "{wrong:#}");
}
