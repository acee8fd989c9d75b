//! The MCP endpoint, spoken to as clients of both eras do.

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::TestServer;

const PATH: &str = "/t/demo/mcp/flights";

#[tokio::test]
async fn a_client_of_the_session_era_initializes_lists_and_calls() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let hello = owner.send(Method::POST, PATH, &headers, Some(body)).await.expect(200);
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(hello["result"]["serverInfo"]["name"], "flights");
    assert!(hello["result"]["capabilities"]["tools"].is_object());
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    assert_eq!(owner.send(Method::POST, PATH, &headers, Some(note)).await.status, 202);

    let tools = owner.mcp_legacy(PATH, "tools/list", json!({})).await.expect(200);
    assert!(tools["result"]["tools"].as_array().unwrap().len() >= 9, "{tools:#}");
    let call =
        json!({"name": "run_sql", "arguments": {"sql": "SELECT carrier, name FROM airlines WHERE carrier = 'UA'"}});
    let result = owner.mcp_legacy(PATH, "tools/call", call).await.expect(200);
    let result = &result["result"];
    assert_eq!(result["isError"], false);
    assert_eq!(result["structuredContent"]["rows"], json!([["UA", "United Air Lines Inc."]]));
    assert_eq!(result["content"][0]["text"], "carrier,name\nUA,United Air Lines Inc.\n");
    assert_eq!(result["content"].as_array().unwrap().len(), 1);
    assert_eq!(result.get("resultType"), None);
}

#[tokio::test]
async fn a_client_that_says_its_version_each_time_discovers_lists_and_calls() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let found = owner.mcp_modern(PATH, "server/discover", json!({})).await.expect(200);
    assert!(found["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{found:#}");
    let tools = owner.mcp_modern(PATH, "tools/list", json!({})).await.expect(200);
    assert_eq!(tools["result"]["cacheScope"], "private");
    assert_eq!(tools["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "flights");
    let call = json!({"name": "list_tables", "arguments": {}});
    let result = owner.mcp_modern(PATH, "tools/call", call).await.expect(200);
    assert_eq!(result["result"]["resultType"], "complete");
    assert!(result["result"]["content"][0]["text"].as_str().unwrap().contains("main.airlines"), "{result:#}");
    let removed = owner.mcp_modern(PATH, "initialize", json!({})).await;
    assert_eq!(removed.expect(404)["error"]["code"], -32601);
    let prompts = owner.mcp_modern(PATH, "prompts/list", json!({})).await;
    assert_eq!(prompts.json()["error"]["code"], -32601);
}

#[tokio::test]
async fn the_tools_of_the_demo_are_as_they_were_reviewed() {
    let server = TestServer::start().await;
    let tools = server.owner().mcp_legacy(PATH, "tools/list", json!({})).await.expect(200);
    insta::assert_snapshot!(format!("{:#}", tools["result"]["tools"]));
}

#[tokio::test]
async fn tools_say_what_they_take_and_what_they_do() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let query = json!({
        "name": "exact", "description": "d", "source": "flights", "mode": "write",
        "statement": "UPDATE airlines SET name = {{ name }} WHERE carrier IN ({{ carriers | inlist }})",
        "parameters": [
            {"name": "name", "type": "string", "min_length": 1, "max_length": 9, "pattern": "^[A-Z]", "example": "A"},
            {"name": "carriers", "type": "list", "items": {"type": "string"}, "max_length": 3, "example": ["ZZ"]},
        ],
    });
    owner.post("/v1/queries", &query).await.expect(201);
    let tools = owner.mcp_legacy("/t/demo/mcp", "tools/list", json!({})).await.expect(200);
    let tool =
        tools["result"]["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "exact").unwrap().clone();
    assert_eq!(
        tool["inputSchema"],
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[A-Z]", "examples": ["A"]},
                "carriers": {"type": "array", "items": {"type": "string"}, "maxItems": 3, "examples": [["ZZ"]]},
            },
            "required": ["name", "carriers"],
            "additionalProperties": false,
        })
    );
    assert_eq!(
        tool["annotations"],
        json!({"readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false})
    );
    let runner = server.with_role("runner", "runner", json!({})).await;
    let seen = runner.mcp_legacy("/t/demo/mcp", "tools/list", json!({})).await.expect(200);
    assert!(seen["result"]["tools"].as_array().unwrap().iter().all(|tool| tool["name"] != "exact"));
}

#[tokio::test]
async fn what_goes_wrong_in_a_tool_is_a_tool_error_that_helps() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let failed = async |name: &str, arguments: Json| {
        let answer =
            owner.mcp_legacy(PATH, "tools/call", json!({"name": name, "arguments": arguments})).await.expect(200);
        assert_eq!(answer["result"]["isError"], true, "{answer:#}");
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let text = failed("run_sql", json!({"sql": "SELECT nme FROM airlines"})).await;
    assert!(text.starts_with("database_error") && text.contains("nme"), "{text}");
    let text = failed("run_sql", json!({"sql": "DELETE FROM airlines"})).await;
    assert!(text.starts_with("statement_not_allowed"), "{text}");
    let text = failed("run_sql", json!({"sqll": "SELECT 1"})).await;
    assert!(text.contains("did you mean `sql`"), "{text}");
    let text = failed("describe_table", json!({"table": "airline"})).await;
    assert!(text.starts_with("not_found"), "{text}");
    let text = failed("run_sql", json!({"source": "other", "sql": "SELECT 1"})).await;
    assert!(text.contains("there is flights"), "{text}");

    let unknown =
        owner.mcp_legacy(PATH, "tools/call", json!({"name": "list_table", "arguments": {}})).await.expect(200);
    assert_eq!(unknown["error"]["code"], -32602);
    assert_eq!(unknown["error"]["message"], "there is no tool `list_table`; did you mean `list_tables`?");
}

#[tokio::test]
async fn pages_go_on_behind_a_cursor() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let query = json!({"name": "paged", "description": "d", "source": "flights", "limits": {"rows": 10},
                       "statement": "SELECT carrier FROM airlines ORDER BY carrier"});
    owner.post("/v1/queries", &query).await.expect(201);
    let call = async |arguments: Json| {
        owner
            .mcp_legacy("/t/demo/mcp", "tools/call", json!({"name": "paged", "arguments": arguments}))
            .await
            .expect(200)
    };
    let first = call(json!({})).await;
    let cursor = first["result"]["structuredContent"]["next_cursor"].as_str().unwrap().to_owned();
    assert!(first["result"]["content"][0]["text"].as_str().unwrap().contains(&cursor));
    let second = call(json!({"cursor": cursor})).await;
    assert_eq!(second["result"]["structuredContent"]["row_count"], 6);
    let bad = call(json!({"cursor": "x"})).await;
    assert_eq!(bad["result"]["isError"], true);
}

#[tokio::test]
async fn messages_that_are_none_are_answered_in_json_rpc() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let headers = [("content-type", "application/json")];
    let post = async |body: &str| owner.send(Method::POST, PATH, &headers, Some(body.to_owned())).await;
    assert_eq!(post("{").await.expect(400)["error"]["code"], -32700);
    assert_eq!(post("[]").await.expect(400)["error"]["code"], -32600);
    for wrong in
        [r#"{"id":1,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1}"#]
    {
        assert_eq!(post(wrong).await.expect(400)["error"]["code"], -32600, "{wrong}");
    }
    let shapeless = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 5}}).to_string();
    assert_eq!(post(&shapeless).await.expect(200)["error"]["code"], -32602);
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/cal"}).to_string();
    assert_eq!(post(&unknown).await.expect(200)["error"]["message"], "there is no method `tools/cal`");
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    for (origin, status) in [("http://evil.example", 403), ("null", 403), ("http://localhost:6274", 200)] {
        let headers = [("origin", origin), ("content-type", "application/json")];
        let answer = owner.send(Method::POST, PATH, &headers, Some(ping.clone())).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text);
    }
    assert_eq!(post(&ping).await.expect(200)["result"], json!({}));
    assert_eq!(owner.send(Method::GET, PATH, &headers, None).await.status, 405);
    let foreign = owner
        .send(Method::POST, PATH, &[("host", "evil.example"), ("content-type", "application/json")], Some(ping))
        .await;
    assert_eq!(foreign.expect(403)["error"]["code"], -32600);
    owner.mcp_legacy("/t/demo/mcp/nope", "tools/list", json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_call_is_answered_alike_with_and_without_the_protocol_library() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let untimed = |mut answer: Json| {
        // The time that a call took differs from call to call.
        if let Some(structured) = answer["result"]["structuredContent"].as_object_mut() {
            structured.shift_remove("elapsed_ms");
        }
        answer
    };
    let calls = [
        json!({"name": "run_sql", "arguments": {"sql": "SELECT carrier, name, 9007199254740993 AS large FROM airlines LIMIT 2"}}),
        json!({"name": "list_tables"}),
        json!({"name": "run_sql", "arguments": {"sql": "SELECT nothing FROM airlines"}, "_meta": {"progressToken": 1}}),
        json!({"name": "list_table", "arguments": null}),
    ];
    for call in calls {
        // The library ignores what it does not know; what is answered without it has nothing of that kind.
        let mut odd = call.clone();
        odd["odd"] = json!(1);
        let direct = untimed(owner.mcp_legacy(PATH, "tools/call", call.clone()).await.expect(200));
        assert_eq!(direct, untimed(owner.mcp_legacy(PATH, "tools/call", odd.clone()).await.expect(200)), "{call}");
        let direct = untimed(owner.mcp_modern(PATH, "tools/call", call.clone()).await.expect(200));
        assert_eq!(direct, untimed(owner.mcp_modern(PATH, "tools/call", odd).await.expect(200)), "{call}");
    }
}

#[tokio::test]
async fn a_call_whose_headers_contradict_it_is_refused() {
    let server = TestServer::start().await;
    let owner = server.owner();
    let meta = |version: &str| json!({"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}});
    let body = |meta: Json| {
        let params = json!({"name": "list_tables", "arguments": {}, "_meta": meta});
        json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": params}).to_string()
    };
    let right = [
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "list_tables"),
    ];
    let answer = owner.send(Method::POST, PATH, &right, Some(body(meta("2026-07-28")))).await.expect(200);
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!("a"), &json!(false)));
    for (index, value) in [(1, "2025-11-25"), (1, "1999-01-01"), (2, "tools/list"), (3, "run_sql")] {
        let mut wrong = right;
        wrong[index].1 = value;
        let answer = owner.send(Method::POST, PATH, &wrong, Some(body(meta("2026-07-28")))).await;
        assert_eq!(answer.status, 400, "{value}: {}", answer.text);
    }
    let foreign: Vec<_> = right.into_iter().chain([("host", "evil.example")]).collect();
    let answer = owner.send(Method::POST, PATH, &foreign, Some(body(meta("2026-07-28")))).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    for missing in [2, 3] {
        let headers: Vec<_> = (0..4).filter(|index| *index != missing).map(|index| right[index]).collect();
        let answer = owner.send(Method::POST, PATH, &headers, Some(body(meta("2026-07-28")))).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let answer = owner.send(Method::POST, PATH, &right, Some(body(meta("2025-11-25")))).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let no_capabilities = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let answer = owner.send(Method::POST, PATH, &right, Some(body(no_capabilities))).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}
