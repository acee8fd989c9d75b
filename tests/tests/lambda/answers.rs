//! What a gateway is given.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Event};

use crate::{AUTH, EXECUTE};

/// The document that the Runtime API was given for an event.
async fn document(cloud: &Cloud, program: &str, event: &Event) -> Json {
    let mut function = cloud.function(program).await;
    let mut outcome = function.invoke(event, Duration::from_secs(9)).await.unwrap();
    assert!(!outcome.is_failure && !outcome.is_streamed);
    serde_json::from_slice(&outcome.rest().await).unwrap()
}

#[tokio::test]
async fn an_answer_is_one_document_with_a_value_for_each_header() {
    let cloud = Cloud::start().await;
    let document = document(&cloud, AUTH, &Event::new("GET", "/v1/me").key(&cloud.key)).await;
    assert_eq!((&document["statusCode"], &document["isBase64Encoded"]), (&json!(200), &json!(false)));
    let headers = document["headers"].as_object().unwrap();
    assert!(headers.values().all(Json::is_string), "{headers:?}");
    assert_eq!(headers["content-type"], "application/json");
    let body: Json = serde_json::from_str(document["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["tenant"], "demo");
}

#[tokio::test]
async fn text_of_every_kind_comes_whole() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let sql = "SELECT char(34, 92, 10, 9, 1, 233, 8232, 128512) AS odd, x'00ff' AS bytes";
    let run = |format: &str| {
        let body = json!({"source": "flights", "sql": sql});
        Event::new("POST", &format!("/v1/execute/raw?format={format}")).key(&cloud.key).body(body)
    };
    let rows = function.call(&run("json")).await.expect(200)["rows"].clone();
    assert_eq!(rows, json!([["\"\\\n\t\u{1}\u{e9}\u{2028}\u{1f600}", "AP8="]]));
    let csv = function.call(&run("csv")).await;
    assert!(csv.text.contains("\u{1f600}") && csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
}

#[tokio::test]
async fn a_refusal_says_who_may_call() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    let answer = function.call(&Event::new("GET", "/v1/me")).await;
    answer.problem(401, "unauthenticated");
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"tidegate\"");
}
