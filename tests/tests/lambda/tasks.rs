//! What `sync` does when it cannot start, or its task cannot be done.

use std::{path::Path, time::Duration};

use emulator::Failure::{Refused, RefusedSaying};
use serde_json::{Value as Json, json};
use tests::{
    PATIENCE, found,
    lambda::{Cloud, Environment, Event, MASTER_KEY},
    until,
};

use crate::{
    SYNC,
    faults::{MARKED_FOR_DELETION, wrong_variables},
};

/// The time that Lambda gives a task.
pub(crate) const TASK: Duration = Duration::from_secs(60);

/// The outcome of a task: whether it failed, and what came with it.
pub(crate) async fn run(function: &mut Environment) -> (bool, Json) {
    let event = Event::from(json!({"task": "source_health"}));
    let mut outcome = function.invoke(&event, TASK).await.expect("the process ended");
    let body = serde_json::from_slice(&outcome.rest().await).unwrap();
    function.idle().await;
    (outcome.is_failure, body)
}

/// Makes sure that an event fails as an invocation, with a line of the log that says why and names it.
async fn fails(function: &mut Environment, why: &str) {
    let before = function.log().len();
    let (is_failure, report) = run(function).await;
    assert!(is_failure && !report["errorMessage"].as_str().unwrap().is_empty(), "{report}");
    found("a line of the log", PATIENCE, async || function.log().get(before).cloned()).await;
    let lines = &function.log()[before..];
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("the event call-") && lines[0].contains(why), "{why}: {lines:#?}");
}

/// Makes sure that a function which could not start said so once, fails its events, and does not end.
async fn cannot_start(function: &mut Environment, why: &str) {
    let lines = function.logged("the function cannot start").await;
    assert_eq!(lines.len(), 1, "{:#?}", function.log());
    assert!(lines[0].to_string().contains(why), "{why}: {}", lines[0]);
    for _ in 0..2 {
        fails(function, why).await;
    }
}

async fn heals(function: &mut Environment) {
    until("an event that succeeds", PATIENCE, async || !run(function).await.0).await;
}

#[tokio::test]
async fn a_missing_or_wrong_variable_is_named() {
    let cloud = Cloud::start().await;
    for (name, value, why) in wrong_variables() {
        let mut function = Environment::start(Path::new(SYNC), &cloud.variables_with(name, value)).await;
        cannot_start(&mut function, why).await;
        assert!(function.terminate().await.0.success());
    }
}

#[tokio::test]
async fn a_table_that_is_absent_or_denied_is_said_and_heals() {
    let cloud = Cloud::start().await;
    let other = cloud.variables_with("TIDEGATE_TABLE", Some("other"));
    let mut absent = Environment::start(Path::new(SYNC), &other).await;
    cannot_start(&mut absent, "there is no table other").await;
    deny(&cloud);
    let mut function = cloud.function(SYNC).await;
    cannot_start(&mut function, "AccessDeniedException").await;
    cloud.emulator.heal();
    heals(&mut function).await;
    // Also when it has started.
    deny(&cloud);
    fails(&mut function, "AccessDeniedException").await;
    cloud.emulator.heal();
    heals(&mut function).await;
}

fn deny(cloud: &Cloud) {
    for operation in ["GetItem", "Query"] {
        cloud.emulator.fail(operation, Refused("AccessDeniedException"));
    }
}

#[tokio::test]
async fn a_master_key_that_cannot_be_read_is_said_and_heals() {
    let cloud = Cloud::start().await;
    for (failure, why) in [
        (Refused("DecryptionFailure"), "DecryptionFailure"),
        (RefusedSaying("InvalidRequestException", MARKED_FOR_DELETION), "aws secretsmanager restore-secret"),
    ] {
        cloud.emulator.fail("GetSecretValue", failure);
        let mut function = cloud.function(SYNC).await;
        cannot_start(&mut function, why).await;
        cloud.emulator.heal();
        heals(&mut function).await;
    }
    cloud.emulator.remove_secret(MASTER_KEY).unwrap();
    let mut function = cloud.function(SYNC).await;
    cannot_start(&mut function, "tidegate store init").await;
    cloud.heal_master_key();
    heals(&mut function).await;
}
