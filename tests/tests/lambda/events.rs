//! What a gateway can send.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Event};

use crate::{AUTH, EXECUTE, MCP, REGISTRY, tools};

#[tokio::test]
async fn every_function_answers_its_routes_and_no_others() {
    let cloud = Cloud::start().await;
    let get = |path: &str| Event::new("GET", path).key(&cloud.key);
    for (program, event, marker) in [
        (AUTH, get("/v1/me"), "tenant"),
        (REGISTRY, get("/v1/queries"), "items"),
        (EXECUTE, get("/v1/executions"), "items"),
        (MCP, tools(&cloud), "result"),
    ] {
        let mut function = cloud.function(program).await;
        let body = function.call(&event).await.expect(200);
        assert!(body.get(marker).is_some(), "{event:?}: {body}");
        function.call(&get("/nothing/here")).await.problem(404, "not_found");
        // Whoever asks for the health of a deployment has it from one function.
        for path in ["/health", "/health/ready"] {
            let expected = if program == AUTH { 200 } else { 404 };
            assert_eq!(function.call(&Event::new("GET", path)).await.status, expected, "{program} {path}");
        }
    }
}

#[tokio::test]
async fn stages_and_base_paths_do_not_break_routing() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    for (stage, path) in [
        ("$default", "/v1/me"),
        ("$default", "/tidegate/v1/me"),
        ("prod", "/prod/v1/me"),
        ("prod", "/v1/me"),
        ("prod", "/tidegate/prod/v1/me"),
    ] {
        let event = Event::new("GET", path).key(&cloud.key).with("/requestContext/stage", json!(stage));
        assert_eq!(function.call(&event).await.expect(200)["tenant"], "demo", "{stage} {path}");
    }
    let event = Event::new("GET", "/production/v1/me").key(&cloud.key).with("/requestContext/stage", json!("prod"));
    function.call(&event).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_function_url_and_an_http_api_get_the_same_answers() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    let event = Event::new("GET", "/v1/me").key(&cloud.key);
    let over_api = function.call(&event).await.expect(200);
    assert_eq!(function.call(&event.over_url()).await.expect(200), over_api);
}

#[tokio::test]
async fn bodies_come_as_text_or_encoded() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let run = || Event::new("POST", "/v1/execute/list_airlines").key(&cloud.key);
    let body = json!({"arguments": {}}).to_string();
    let rows = function.call(&run().body(&body)).await.expect(200)["rows"].clone();
    assert!(!rows.as_array().unwrap().is_empty());
    let encoded = function.call(&run().encoded_body(body.as_bytes())).await.expect(200)["rows"].clone();
    assert_eq!(encoded, rows);
    for event in [run().body("{"), run().encoded_body(b"{\"arguments\": {\"a\": \"\xff\"}}")] {
        function.call(&event).await.problem(400, "invalid_request");
    }
    let large = json!({"arguments": {"a": "x".repeat(2 << 20)}});
    function.call(&run().body(large)).await.problem(413, "payload_too_large");
}

#[tokio::test]
async fn headers_queries_and_cookies_are_taken_as_the_gateway_gives_them() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(REGISTRY).await;
    let two = function.call(&Event::new("GET", "/v1/queries?limit=2").key(&cloud.key)).await.expect(200);
    assert_eq!(two["items"].as_array().unwrap().len(), 2);
    let twice = Event::new("GET", "/v1/queries?limit=2&limit=3").key(&cloud.key);
    assert_ne!(function.call(&twice).await.status, 500);
    // Two headers of one name reach a function joined.
    let joined = Event::new("GET", "/v1/queries").header("authorization", &format!("Bearer {0},Bearer {0}", cloud.key));
    function.call(&joined).await.problem(401, "unauthenticated");
    let cookies = Event::new("GET", "/v1/queries").key(&cloud.key).with("/cookies", json!(["a=1", "b=2"]));
    function.call(&cookies).await.expect(200);
    let capital = Event::new("GET", "/v1/queries").header("Authorization", &format!("bearer {}", cloud.key));
    function.call(&capital).await.expect(200);
}

#[tokio::test]
async fn paths_are_read_whether_they_are_encoded_or_not() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(REGISTRY).await;
    for path in ["/v1/queries/list_airlines", "/v1/queries/list%5Fairlines", "/v1/queries/%6cist_airlines"] {
        let read = function.call(&Event::new("GET", path).key(&cloud.key)).await.expect(200);
        assert_eq!(read["name"], "list_airlines");
    }
    // An HTTP API hands on what it has decoded.
    for path in
        ["/v1/queries/a b", "/v1/queries/\u{e9}", "/v1/queries/a#b", "/v1/queries/%", "/v1/queries/%ff", "/v1/ "]
    {
        let event = Event::new("GET", "/").key(&cloud.key).with("/rawPath", json!(path));
        let answer = function.call(&event).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.text);
    }
    let query = Event::new("GET", "/v1/queries").key(&cloud.key).with("/rawQueryString", json!("limit=1&x=a b\u{e9}"));
    assert_ne!(function.call(&query).await.status, 500);
}

#[tokio::test]
async fn other_methods_and_empty_bodies_are_answered() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    for method in ["OPTIONS", "PATCH", "TRACE"] {
        let answer = function.call(&Event::new(method, "/v1/me").key(&cloud.key)).await;
        answer.problem(405, "invalid_request");
        assert!(answer.headers["allow"].to_str().unwrap().contains("GET"));
    }
    let head = function.call(&Event::new("HEAD", "/v1/me").key(&cloud.key)).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    function.call(&Event::new("POST", "/v1/keys").key(&cloud.key)).await.problem(400, "invalid_request");
}

#[tokio::test]
async fn an_event_that_makes_no_request_fails_one_call_only() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    let me = Event::new("GET", "/v1/me").key(&cloud.key);
    let malformed = [
        me.clone().with("/body", json!("%%%")).with("/isBase64Encoded", json!(true)),
        me.clone().with("/requestContext/http/method", json!("G T")),
        me.clone().with("/rawPath", json!("x".repeat(70_000))),
        me.clone().with("/rawPath", json!(7)),
        me.clone().with("/requestContext", json!(null)),
    ];
    for event in malformed {
        let mut outcome = function.invoke(&event, Duration::from_secs(5)).await.expect("the process ended");
        let body = outcome.rest().await;
        assert!(outcome.is_failure);
        let report: Json = serde_json::from_slice(&body).unwrap();
        assert!(!report["errorMessage"].as_str().unwrap().contains("panicked"), "{report}");
        assert_eq!(function.call(&me).await.expect(200)["tenant"], "demo");
    }
}
