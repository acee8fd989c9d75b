//! What stopped a call, told from its answer.

use serde_json::{Value as Json, json};
use tests::Answer;

use crate::corpus::Layer;

/// What MCP says before the code of the database.
const DATABASE_CODE: &str = "(the database's code: ";

/// What stopped a call over REST, or how it was answered. The error is the answer of a call that no layer stopped: it
/// failed on the way, or with it the session or Tidegate.
pub(crate) fn of_call(answer: &Answer) -> Result<Layer, String> {
    let body = answer.json();
    let layer = match (answer.status.as_u16(), body["detail"].as_str(), body["code"].as_str()) {
        (200, ..) => Some(answered(&body)),
        (400 | 403 | 422 | 504, Some(detail), Some(code)) => refused(code, detail, body["sqlstate"].is_string()),
        _ => None,
    };
    layer.ok_or_else(|| format!("no layer stopped it: {} {}", answer.status, shortened(&answer.text)))
}

/// What stopped a tool call, or how it was answered.
pub(crate) fn of_tool(answer: &Answer) -> Result<Layer, String> {
    let body = answer.json();
    let result = &body["result"];
    let layer = match (answer.status.as_u16(), &result["isError"], result["content"][0]["text"].as_str()) {
        (200, Json::Bool(false), _) => Some(answered(&result["structuredContent"])),
        (200, Json::Bool(true), Some(text)) => {
            text.split_once(": ").and_then(|(code, detail)| refused(code, detail, detail.contains(DATABASE_CODE)))
        }
        _ => None,
    };
    layer.ok_or_else(|| format!("no layer stopped it over MCP: {} {}", answer.status, shortened(&answer.text)))
}

fn answered(page: &Json) -> Layer {
    if page["truncated"].is_null() { Layer::Answer } else { Layer::Budget }
}

/// Before the database's own word everything is Tidegate's.
fn refused(code: &str, detail: &str, is_of_database: bool) -> Option<Layer> {
    Some(match code {
        "invalid_template" | "invalid_argument" => Layer::Template,
        "timeout" | "limit_exceeded" => Layer::Budget,
        "invalid_statement" if detail.contains("more than one statement") => Layer::OneStatement,
        "invalid_statement" => Layer::Guard,
        // What the server says of a function that it was asked about.
        "statement_not_allowed" if is_of_database || detail.contains("and the function `") => Layer::Engine,
        "statement_not_allowed" => Layer::Guard,
        "database_error" if is_of_database => Layer::Engine,
        _ => return None,
    })
}

/// The begin of an answer, for a report.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

fn answer(status: u16, body: &Json) -> Answer {
    Answer { status: status.try_into().unwrap(), headers: Default::default(), text: body.to_string() }
}

#[test]
fn a_refusal_is_told_from_an_answer_and_from_a_failure() {
    let call = |status, body| of_call(&answer(status, &body)).ok();
    let problem = |status, code| call(status, json!({"code": code, "detail": "d"}));
    assert_eq!(call(200, json!({"truncated": null})), Some(Layer::Answer));
    assert_eq!(call(200, json!({"truncated": "rows"})), Some(Layer::Budget));
    assert_eq!(problem(403, "statement_not_allowed"), Some(Layer::Guard));
    let of_database = |code| json!({"code": code, "detail": "d", "sqlstate": "25006"});
    assert_eq!(call(403, of_database("statement_not_allowed")), Some(Layer::Engine));
    assert_eq!(call(422, of_database("database_error")), Some(Layer::Engine));
    // Nothing has stopped what breaks a session, Tidegate or the test itself.
    assert_eq!(call(502, of_database("source_unavailable")), None);
    assert_eq!(call(500, of_database("database_error")), None);
    for (status, code) in [
        (400, "invalid_request"),
        (401, "unauthenticated"),
        (403, "forbidden"),
        (404, "not_found"),
        (409, "already_exists"),
        (422, "database_error"),
        (429, "rate_limited"),
        (500, "internal"),
        (502, "source_unavailable"),
        (503, "unavailable"),
    ] {
        assert_eq!(problem(status, code), None, "{code}");
    }
}

#[test]
fn a_refusal_of_a_tool_is_told_from_an_answer_and_from_a_failure() {
    let tool = |result| of_tool(&answer(200, &json!({"result": result}))).ok();
    let refusal = |text: &str| tool(json!({"isError": true, "content": [{"type": "text", "text": text}]}));
    assert_eq!(tool(json!({"isError": false, "structuredContent": {"truncated": null}})), Some(Layer::Answer));
    assert_eq!(refusal("statement_not_allowed: no"), Some(Layer::Guard));
    assert_eq!(refusal("database_error: no (the database's code: 42883)"), Some(Layer::Engine));
    for failure in ["database_error: no", "source_unavailable: gone (the database's code: 57P01)", "internal: x", "x"] {
        assert_eq!(refusal(failure), None, "{failure}");
    }
    assert!(of_tool(&answer(200, &json!({"error": {"code": -32602}}))).is_err());
}
