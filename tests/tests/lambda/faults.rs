//! What a function does when its deployment is not set up right.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use emulator::Failure;
use serde_json::{Value as Json, json};
use tests::{
    PATIENCE, found,
    lambda::{Cloud, Environment, Event, MASTER_KEY},
    until,
};

use crate::{AUTH, EXECUTE, MCP, REGISTRY, tools};

/// The time that Lambda gives a call.
pub(crate) const CALL: Duration = Duration::from_millis(1500);
/// The same for a call that may take all that its attempts take.
pub(crate) const TIME: Duration = Duration::from_secs(12);

/// What Secrets Manager says of a secret that waits for its deletion.
pub(crate) const MARKED_FOR_DELETION: &str =
    "You can't perform this operation on the secret because it was marked for deletion.";

/// Makes sure that a function which could not start says so once, names the request, and does not end.
async fn cannot_start(function: &mut Environment, why: &str) {
    let lines = function.logged("the function cannot start").await;
    assert_eq!(lines.len(), 1, "{:#?}", function.log());
    assert!(lines[0].to_string().contains(why), "{why}: {}", lines[0]);
    for path in ["/health", "/v1/me"] {
        let problem = function.call(&Event::new("GET", path)).await.problem(503, "unavailable");
        assert!(problem["detail"].as_str().unwrap().contains("its log says why"), "{problem}");
        let lines = function.logged(problem["request_id"].as_str().unwrap()).await;
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].to_string().contains(why), "{why}: {}", lines[0]);
    }
}

/// Variables that keep a function from starting, each with a wrong value, or without one, and with what is said of it.
pub(crate) fn wrong_variables() -> impl Iterator<Item = (&'static str, Option<&'static str>, &'static str)> {
    [
        ("TIDEGATE_CONFIG", None, "TIDEGATE_CONFIG is not set"),
        ("TIDEGATE_CONFIG", Some(""), "TIDEGATE_CONFIG is not set"),
        ("TIDEGATE_CONFIG", Some(r#"{"history_dys": 3}"#), "did you mean `history_days`?"),
        ("TIDEGATE_CONFIG", Some(r#"{"budget": {"row": 3}}"#), "did you mean `rows`?"),
        ("TIDEGATE_CONFIG", Some("{"), "TIDEGATE_CONFIG is wrong"),
        ("TIDEGATE_CONFIG", Some("[]"), "TIDEGATE_CONFIG is wrong"),
        ("TIDEGATE_CONFIG", Some(r#"{"history_days": -1}"#), "TIDEGATE_CONFIG is wrong: `history_days`"),
        (
            "TIDEGATE_CONFIG",
            Some(r#"{"history_days": 0}"#),
            "TIDEGATE_CONFIG is wrong: `history_days` must be at least 1",
        ),
        ("TIDEGATE_CONFIG", Some(r#"{"quotas": {"keys": 5001}}"#), "`quotas.keys` must be 1 to 5000"),
        ("TIDEGATE_URLS", Some("https://api.example.com,api.example.com"), "TIDEGATE_URLS is wrong: `api.example.com`"),
        ("TIDEGATE_TABLE", None, "TIDEGATE_TABLE is not set"),
        ("TIDEGATE_MASTER_KEY_SECRET", None, "TIDEGATE_MASTER_KEY_SECRET is not set"),
        ("TIDEGATE_URL_STREAMS", Some("yes"), "TIDEGATE_URL_STREAMS is wrong"),
        ("AWS_REGION", None, "AWS_REGION is not set"),
        ("AWS_ACCESS_KEY_ID", None, "AWS_ACCESS_KEY_ID is not set"),
        ("AWS_SECRET_ACCESS_KEY", Some(""), "AWS_SECRET_ACCESS_KEY is not set"),
        ("TIDEGATE_SECRET_PREFIX", None, "not told of the secrets"),
        ("TIDEGATE_SECRET_RECOVERY_DAYS", Some("6"), "TIDEGATE_SECRET_RECOVERY_DAYS is wrong"),
        ("TIDEGATE_SECRET_RECOVERY_DAYS", Some("a week"), "TIDEGATE_SECRET_RECOVERY_DAYS is wrong"),
        ("TIDEGATE_KMS_KEY", Some("tidegate"), "TIDEGATE_KMS_KEY is wrong"),
    ]
    .into_iter()
}

#[tokio::test]
async fn a_missing_or_wrong_variable_is_named() {
    let cloud = Cloud::start().await;
    for program in [EXECUTE, REGISTRY] {
        for (name, value, why) in wrong_variables() {
            let mut function = Environment::start(Path::new(program), &cloud.variables_with(name, value)).await;
            cannot_start(&mut function, why).await;
            assert!(function.terminate().await.0.success());
        }
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    let cloud = Cloud::start().await;
    for value in ["nowhere", "http://", "ftp://127.0.0.1", "http://127.0.0.1:99999"] {
        let variables = cloud.variables_with("AWS_ENDPOINT_URL", Some(value));
        let mut function = Environment::start(Path::new(EXECUTE), &variables).await;
        assert_eq!(function.logged("the function cannot start").await.len(), 1, "{value}");
        function.call(&Event::new("GET", "/v1/executions").key(&cloud.key)).await.problem(503, "unavailable");
    }
}

#[tokio::test]
async fn a_master_key_that_is_absent_or_malformed_is_said_and_heals() {
    let cloud = Cloud::start().await;
    let get = |path: &str| Event::new("GET", path).key(&cloud.key);
    for (program, event) in [(EXECUTE, get("/v1/executions")), (REGISTRY, get("/v1/sources")), (MCP, tools(&cloud))] {
        for value in ["", "not base64!", "c2hvcnQ="] {
            cloud.emulator.put_secret(MASTER_KEY, value).unwrap();
            let mut function = cloud.function(program).await;
            cannot_start(&mut function, "does not hold a master key").await;
            cloud.heal_master_key();
            heals(&mut function, &event).await;
        }
        let variables = cloud.variables_with("TIDEGATE_MASTER_KEY_SECRET", Some("tidegate/test/other"));
        let mut function = Environment::start(Path::new(program), &variables).await;
        cannot_start(&mut function, "there is no secret tidegate/test/other").await;
        cloud.emulator.put_secret("tidegate/test/other", Cloud::KEY).unwrap();
        heals(&mut function, &event).await;
        cloud.emulator.remove_secret("tidegate/test/other").unwrap();
    }
}

#[tokio::test]
async fn a_master_key_that_is_denied_or_cannot_be_decrypted_is_said_and_heals() {
    let cloud = Cloud::start().await;
    for code in ["AccessDeniedException", "DecryptionFailure", "InvalidRequestException"] {
        cloud.emulator.fail("GetSecretValue", Failure::Refused(code));
        let mut function = cloud.function(EXECUTE).await;
        cannot_start(&mut function, code).await;
        cloud.emulator.heal();
        heals(&mut function, &Event::new("GET", "/v1/executions").key(&cloud.key)).await;
    }
}

#[tokio::test]
async fn a_master_key_that_is_marked_for_deletion_is_to_be_restored() {
    let cloud = Cloud::start().await;
    cloud.emulator.fail("GetSecretValue", Failure::RefusedSaying("InvalidRequestException", MARKED_FOR_DELETION));
    let mut function = cloud.function(EXECUTE).await;
    let restore = format!("aws secretsmanager restore-secret --secret-id {MASTER_KEY}");
    cannot_start(&mut function, &restore).await;
    assert!(function.log().iter().all(|line| !line.contains("store init")), "{:#?}", function.log());
    cloud.emulator.heal();
    heals(&mut function, &Event::new("GET", "/v1/executions").key(&cloud.key)).await;
}

#[tokio::test]
async fn a_start_that_gets_no_answer_ends_before_the_call_does() {
    let cloud = Cloud::start().await;
    cloud.emulator.put_secret(MASTER_KEY, "").unwrap();
    let mut function = cloud.function(EXECUTE).await;
    cloud.emulator.fail("GetSecretValue", Failure::Silent);
    let event = Event::new("GET", "/v1/executions").key(&cloud.key);
    // For a second after it failed it is not tried again. What tries waits until the call is nearly over.
    let took = found("another start", PATIENCE, async || {
        let began = Instant::now();
        function.call_within(&event, CALL).await.problem(503, "unavailable");
        let took = began.elapsed();
        (took > CALL / 2).then_some(took)
    });
    let took = took.await;
    // What nothing ends earlier goes on for eight seconds.
    assert!(took < CALL + Duration::from_secs(5), "{took:?}");
    cloud.heal_master_key();
    cloud.emulator.heal();
    heals(&mut function, &event).await;
}

#[tokio::test]
async fn a_table_that_is_absent_or_denied_is_said_and_heals() {
    let cloud = Cloud::start().await;
    let get = |path: &str| Event::new("GET", path).key(&cloud.key);
    for (program, event) in
        [(AUTH, get("/v1/me")), (REGISTRY, get("/v1/sources")), (EXECUTE, get("/v1/executions")), (MCP, tools(&cloud))]
    {
        let mut absent =
            Environment::start(Path::new(program), &cloud.variables_with("TIDEGATE_TABLE", Some("other"))).await;
        refused(&mut absent, &event, TIME, "ResourceNotFoundException").await;

        let mut function = cloud.function(program).await;
        for operation in ["GetItem", "Query"] {
            cloud.emulator.fail(operation, Failure::Refused("AccessDeniedException"));
        }
        refused(&mut function, &event, TIME, "AccessDeniedException").await;
        cloud.emulator.heal();
        heals(&mut function, &event).await;
    }
}

/// Reads or writes the item with the version of the table.
async fn version_item(cloud: &Cloud, operation: &str, mut body: Json) -> Json {
    body["TableName"] = "tidegate".into();
    let answer = reqwest::Client::new()
        .post(cloud.emulator.url())
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .body(body.to_string());
    let answer = answer.send().await.unwrap().error_for_status().unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_table_of_another_version_is_said_and_heals() {
    let cloud = Cloud::start().await;
    let key = json!({"pk": {"S": "STORE"}, "sk": {"S": "VERSION"}});
    let stored = version_item(&cloud, "GetItem", json!({"Key": key})).await["Item"].take();
    let mut later = stored.clone();
    later["doc"]["S"] = json!({"revision": 99, "needs_code": 99}).to_string().into();
    for (program, event) in [
        (AUTH, Event::new("GET", "/v1/me").key(&cloud.key)),
        (REGISTRY, Event::new("GET", "/v1/sources").key(&cloud.key)),
        (EXECUTE, Event::new("GET", "/v1/executions").key(&cloud.key)),
        (MCP, tools(&cloud)),
    ] {
        version_item(&cloud, "PutItem", json!({"Item": later})).await;
        let mut function = cloud.function(program).await;
        cannot_start(&mut function, "revision 99").await;
        let answer = function.call(&event).await;
        answer.problem(503, "unavailable");
        assert_eq!(answer.json().get("jsonrpc").is_some(), program == MCP, "{}", answer.text);
        version_item(&cloud, "DeleteItem", json!({"Key": key})).await;
        let mut without = cloud.function(program).await;
        cannot_start(&mut without, "has no version").await;
        version_item(&cloud, "PutItem", json!({"Item": stored})).await;
        heals(&mut function, &event).await;
        heals(&mut without, &event).await;
    }
}

#[tokio::test]
async fn a_network_that_is_away_is_said_and_heals() {
    let mut cloud = Cloud::start().await;
    let event = Event::new("GET", "/v1/executions").key(&cloud.key);
    cloud.network.down().await;
    let mut function = cloud.function(EXECUTE).await;
    let answer = function.call(&event).await;
    answer.problem(503, "unavailable");
    cloud.network.up().await;
    heals(&mut function, &event).await;
}

#[tokio::test]
async fn a_log_filter_that_is_wrong_does_not_stop_a_function() {
    let cloud = Cloud::start().await;
    let mut variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&json!({"log": "=loud,,"}).to_string()));
    variables.push(("TIDEGATE_LOG".to_owned(), "tidegate=loud".to_owned()));
    let mut function = Environment::start(Path::new(AUTH), &variables).await;
    function.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
    assert_eq!(function.logged("what to log cannot be read").await.len(), 1, "{:#?}", function.log());
}

/// Makes sure that a call with this much time is refused with a problem that says when to try again, and that one line of
/// the log says why and names the request.
pub(crate) async fn refused(function: &mut Environment, event: &Event, time: Duration, why: &str) {
    let answer = function.call_within(event, time).await;
    let problem = answer.problem(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(!problem.to_string().contains(why), "{problem}");
    let lines = function.logged(problem["request_id"].as_str().unwrap()).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].to_string().contains(why), "{why}: {}", lines[0]);
}

/// Makes sure that a call succeeds before long.
async fn heals(function: &mut Environment, event: &Event) {
    until("a call that succeeds", PATIENCE, async || function.call(event).await.status == 200).await;
}
