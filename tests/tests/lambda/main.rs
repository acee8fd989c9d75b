//! The functions as programs, each under a Runtime API of its own, over an emulated DynamoDB and Secrets Manager.

mod answers;
mod endings;
mod events;
mod faults;
mod kills;
mod secrets;
mod sessions;
mod store;
mod streams;
mod tasks;
mod tokens;
mod traces;

use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Event};

const AUTH: &str = env!("CARGO_BIN_EXE_function-auth");
const EXECUTE: &str = env!("CARGO_BIN_EXE_function-execute");
const MCP: &str = env!("CARGO_BIN_EXE_function-mcp");
const REGISTRY: &str = env!("CARGO_BIN_EXE_function-registry");
const SYNC: &str = env!("CARGO_BIN_EXE_function-sync");

/// A call that runs SQL on the demo's data.
fn raw(cloud: &Cloud, sql: &str) -> Event {
    raw_as(cloud, "json", sql, json!({}))
}

/// The same call with a format of the answer and limits.
fn raw_as(cloud: &Cloud, format: &str, sql: &str, limits: Json) -> Event {
    let body = json!({"source": "flights", "sql": sql, "limits": limits});
    Event::new("POST", &format!("/v1/execute/raw?format={format}")).key(&cloud.key).body(body)
}

/// A call of the endpoint of the demo's MCP server.
fn tools(cloud: &Cloud) -> Event {
    Event::new("POST", "/t/demo/mcp/flights")
        .key(&cloud.key)
        .body(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
}

/// The history, as an environment of its own reads it.
async fn executions(cloud: &Cloud) -> Vec<Json> {
    let mut function = cloud.function(EXECUTE).await;
    let page = function.call(&Event::new("GET", "/v1/executions").key(&cloud.key)).await.expect(200);
    page["items"].as_array().unwrap().clone()
}
