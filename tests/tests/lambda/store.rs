//! What a call does while DynamoDB fails.

use std::time::Duration;

use emulator::Failure::{self, Cancelled, Refused, RefusedSaying, Silent, Slow};
use serde_json::json;
use tests::lambda::{Cloud, Event};

use crate::{
    AUTH, EXECUTE,
    faults::{CALL, TIME, refused},
};

/// What DynamoDB says while the key of a table is disabled, and when a function may not use it.
const DISABLED: &str = "KMS key disabled error: com.amazonaws.services.kms.model.DisabledException: \
                        arn:aws:kms:eu-west-1:123456789012:key/k is disabled. (Service: AWSKMS; Status Code: 400; \
                        Error Code: DisabledException; Proxy: null)";
const DENIED: &str = "KMS key access denied error: com.amazonaws.services.kms.model.AWSKMSException: User is not \
                      authorized to perform: kms:Decrypt";

/// What stays as it is, each with what the log says of it and the time of the call.
fn lasting() -> [(Failure, &'static str, Duration); 8] {
    [
        (Refused("ThrottlingException"), "ThrottlingException", TIME),
        (Refused("ProvisionedThroughputExceededException"), "ProvisionedThroughputExceededException", TIME),
        (Refused("RequestLimitExceeded"), "RequestLimitExceeded", TIME),
        (Refused("InternalServerError"), "InternalServerError", TIME),
        (RefusedSaying("ValidationException", DISABLED), "KMS key disabled", TIME),
        (RefusedSaying("AccessDeniedException", DENIED), "KMS key access denied", TIME),
        (Slow(CALL * 2), "the time of the call has passed", CALL),
        (Silent, "the time of the call has passed", CALL),
    ]
}

#[tokio::test]
async fn a_read_that_keeps_failing_is_unavailable_for_a_while() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(EXECUTE).await;
    let event = Event::new("GET", "/v1/executions").key(&cloud.key);
    for (failure, why, time) in lasting() {
        cloud.emulator.fail("GetItem", failure.clone());
        cloud.emulator.fail("Query", failure);
        refused(&mut function, &event, time, why).await;
        cloud.emulator.heal();
        function.call(&event).await.expect(200);
    }
}

#[tokio::test]
async fn a_write_that_keeps_failing_is_unavailable_for_a_while() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function(AUTH).await;
    let colliding = [
        (Cancelled("TransactionConflict"), "transactions keep colliding", TIME),
        (Cancelled("ThrottlingError"), "transactions keep colliding", TIME),
    ];
    for (number, (failure, why, time)) in lasting().into_iter().chain(colliding).enumerate() {
        let body = json!({"name": format!("k{number}"), "role": "viewer"});
        let event = Event::new("POST", "/v1/keys").key(&cloud.key).body(body);
        cloud.emulator.fail("TransactWriteItems", failure.clone());
        refused(&mut function, &event, time, why).await;
        cloud.emulator.heal();
        // What was slow may have been done.
        if !matches!(failure, Slow(_)) {
            function.call(&event).await.expect(201);
        }
    }
}

#[tokio::test]
async fn a_short_fault_is_not_noticed() {
    let cloud = Cloud::start().await;
    let mut execute = cloud.function(EXECUTE).await;
    let read = Event::new("GET", "/v1/executions").key(&cloud.key);
    let mut auth = cloud.function(AUTH).await;
    execute.call(&read).await.expect(200);
    auth.call(&Event::new("GET", "/v1/me").key(&cloud.key)).await.expect(200);
    for (number, (failure, times)) in [
        (Refused("ThrottlingException"), 3),
        (Refused("ProvisionedThroughputExceededException"), 3),
        (Refused("InternalServerError"), 3),
        (Slow(Duration::from_millis(300)), 1),
        // An attempt gets three seconds.
        (Silent, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let attempts = if matches!(failure, Slow(_)) { 1 } else { times + 1 };
        cloud.emulator.fail_times("Query", failure.clone(), times);
        cloud.emulator.take_calls();
        execute.call(&read).await.expect(200);
        assert_eq!(calls(&cloud, "Query"), attempts, "{failure:?}");

        let body = json!({"name": format!("k{number}"), "role": "viewer"});
        let write = Event::new("POST", "/v1/keys").key(&cloud.key).body(body);
        cloud.emulator.fail_times("TransactWriteItems", failure.clone(), times);
        auth.call(&write).await.expect(201);
        assert_eq!(calls(&cloud, "TransactWriteItems"), attempts, "{failure:?}");
    }
    let write = Event::new("POST", "/v1/keys").key(&cloud.key).body(json!({"name": "last", "role": "viewer"}));
    cloud.emulator.fail_times("TransactWriteItems", Cancelled("TransactionConflict"), 3);
    auth.call(&write).await.expect(201);
    assert_eq!(calls(&cloud, "TransactWriteItems"), 4);
}

/// How often an operation was called since this was asked last.
fn calls(cloud: &Cloud, operation: &str) -> usize {
    cloud.emulator.take_calls().iter().filter(|call| *call == operation).count()
}
