//! What happens when a database, or the way to it, fails: real servers are killed, restarted and frozen, and a proxy
//! loses what a network loses.

mod admin;
mod admission;
mod breaker;
mod cancel;
mod deadline;
mod kind;
mod network;
mod servers;
mod sessions;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value as Json, json};
use tests::{Answer, Client};

/// How long a statement may run on after its call has ended.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// A query `<source>-add` that adds a row to the table.
async fn register_writer(owner: &Client, source: &str, table: &str) {
    let add = json!({
        "name": format!("{source}-add"), "description": "adds a row", "source": source, "mode": "write",
        "statement": format!("INSERT INTO {table} (id) VALUES ({{{{ id }}}})"),
        "parameters": [{"name": "id", "type": "integer", "example": 1}],
    });
    owner.post("/v1/queries", &add).await.expect(201);
}

/// Runs raw SQL with the header `X-Request-Timeout`.
async fn raw_within(owner: &Client, source: &str, sql: &str, timeout: &str) -> Answer {
    let body = json!({"source": source, "sql": sql}).to_string();
    owner.send(Method::POST, "/v1/execute/raw", &[("x-request-timeout", timeout)], Some(body)).await
}

/// The answers to three calls at once, which therefore leave three sessions behind.
async fn three(owner: &Client, source: &str, sql: &str) -> [Json; 3] {
    let answers = tokio::join!(owner.raw(source, sql), owner.raw(source, sql), owner.raw(source, sql));
    <[Answer; 3]>::from(answers).map(|answer| answer.expect(200)["rows"][0][0].clone())
}

/// The seconds of `Retry-After`.
fn retry_after(answer: &Answer) -> Option<u64> {
    answer.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap())
}
