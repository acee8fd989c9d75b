//! What the store does when DynamoDB does not do as it is told.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tidegate_core::{
    ErrorCode,
    api_key::ApiKey,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    ports::{Repository, Tenants},
    principal::{Role, Scope},
    source::Source,
    tenant::Tenant,
};
use uuid::Uuid;

use super::*;
use crate::stand_in::StandIn;

fn store(server: &StandIn) -> DynamoStore {
    DynamoStore::new(Client::new(&server.config()), "tidegate")
}

fn tenant() -> Tenant {
    Tenant {
        id: TenantId::from_uuid(Uuid::now_v7()),
        name: "acme".parse().unwrap(),
        created_at: chrono::DateTime::UNIX_EPOCH,
        closed_at: None,
    }
}

/// Makes a tenant with a first key.
pub(super) async fn make_tenant(store: &DynamoStore, tenant: &Tenant) -> Result<()> {
    let key = ApiKey {
        id: ApiKeyId::from_uuid(Uuid::now_v7()),
        tenant: tenant.id,
        tenant_name: tenant.name.clone(),
        name: "owner".parse().unwrap(),
        secret_hash: "0".repeat(64),
        role: Role::Owner,
        scope: Scope::default(),
        limits: Limits::default(),
        expires_at: None,
        revoked_at: None,
        version: 1,
        created_at: tenant.created_at,
    };
    Tenants::create(store, tenant, &key).await
}

fn cancelled(code: &str) -> (u16, Value) {
    (
        400,
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled",
            "CancellationReasons": [{"Code": code}],
        }),
    )
}

fn fault(code: &str) -> (u16, Value) {
    (400, json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "the reason"}))
}

async fn get(server: &StandIn) -> tidegate_core::Error {
    let result: Result<Option<Arc<Source>>> = store(server).get(tenant().id, Uuid::now_v7()).await;
    result.unwrap_err()
}

#[tokio::test]
async fn a_server_that_fails_is_tried_four_times() {
    let server = StandIn::new(|_, _| (500, json!({}))).await;
    assert_eq!(get(&server).await.code(), ErrorCode::Unavailable);
    assert_eq!(server.calls(), ["GetItem"; 4]);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let calls = AtomicUsize::new(0);
    let server = StandIn::new(move |_, _| match calls.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => fault("ProvisionedThroughputExceededException"),
        _ => (200, json!({})),
    })
    .await;
    let found: Option<Arc<Source>> = store(&server).get(tenant().id, Uuid::now_v7()).await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn a_missing_table_or_permission_is_unavailable_and_not_tried_again() {
    for code in ["ResourceNotFoundException", "AccessDeniedException"] {
        let server = StandIn::new(move |_, _| fault(code)).await;
        let error = store(&server).check().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unavailable);
        assert!(error.context().unwrap().contains(code), "{error:?}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_a_fault_of_ours() {
    let server = StandIn::new(|_, _| fault("ValidationException")).await;
    assert_eq!(get(&server).await.code(), ErrorCode::Internal);
}

#[tokio::test]
async fn a_table_without_its_key_is_unavailable() {
    let disabled = "KMS key disabled error: com.amazonaws.services.kms.model.DisabledException: the key is disabled. \
                    (Service: AWSKMS; Status Code: 400; Error Code: DisabledException; Proxy: null; size)";
    let server = StandIn::new(move |operation, _| {
        let reason = json!({"Code": "ValidationError", "Message": disabled});
        match operation {
            "GetItem" => (400, json!({"__type": "ValidationException", "message": disabled})),
            _ => (400, json!({"__type": "TransactionCanceledException", "CancellationReasons": [reason]})),
        }
    })
    .await;
    for error in [get(&server).await, make_tenant(&store(&server), &tenant()).await.unwrap_err()] {
        assert_eq!(error.code(), ErrorCode::Unavailable);
        assert!(error.context().unwrap().contains("KMS key disabled"), "{error:?}");
    }
    assert_eq!(server.calls(), ["GetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_a_fault_of_ours() {
    for item in [json!({}), json!({"doc": {"S": "{"}}), json!({"doc": {"N": "1"}})] {
        let server = StandIn::new(move |_, _| (200, json!({"Item": item}))).await;
        assert_eq!(get(&server).await.code(), ErrorCode::Internal);
    }
}

#[tokio::test]
async fn a_transaction_that_collides_is_repeated() {
    let calls = AtomicUsize::new(0);
    let server = StandIn::new(move |_, _| match calls.fetch_add(1, Ordering::Relaxed) {
        0..3 => cancelled("TransactionConflict"),
        _ => (200, json!({})),
    })
    .await;
    make_tenant(&store(&server), &tenant()).await.unwrap();
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn a_transaction_that_keeps_colliding_is_given_up() {
    let server = StandIn::new(|_, _| cancelled("TransactionConflict")).await;
    let error = make_tenant(&store(&server), &tenant()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert_eq!(server.calls().len(), crate::backoff::ATTEMPTS as usize);
}

#[tokio::test]
async fn a_lost_answer_does_not_make_a_second_transaction() {
    let tokens = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&tokens);
    let server = StandIn::new(move |_, request| {
        let mut tokens = noted.lock().unwrap();
        tokens.push(request["ClientRequestToken"].as_str().unwrap().to_owned());
        if tokens.len() == 1 { (500, json!({})) } else { (200, json!({})) }
    })
    .await;
    make_tenant(&store(&server), &tenant()).await.unwrap();
    let tokens = tokens.lock().unwrap();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn items_that_stay_unprocessed_are_written_again() {
    let server = StandIn::new(|_, request| {
        let requests = request["RequestItems"]["tidegate"].as_array().unwrap();
        match requests.split_first() {
            Some((_, rest)) if !rest.is_empty() => (200, json!({"UnprocessedItems": {"tidegate": rest}})),
            _ => (200, json!({"UnprocessedItems": {}})),
        }
    })
    .await;
    let executions: Vec<_> = (0..3).map(|_| execution(TenantId::from_uuid(Uuid::now_v7()))).collect();
    crate::BatchExecutions::record_all(&store(&server), &executions).await.unwrap();
    assert_eq!(server.calls(), ["BatchWriteItem"; 3]);
}

fn execution(tenant: TenantId) -> tidegate_core::execution::Execution {
    use tidegate_core::id::{ExecutionId, SourceId};
    tidegate_core::execution::Execution {
        id: ExecutionId::from_uuid(Uuid::now_v7()),
        tenant,
        request: None,
        caller: tidegate_core::principal::Caller::ApiKey(ApiKeyId::from_uuid(Uuid::now_v7())),
        query: None,
        server: None,
        source: SourceId::from_uuid(Uuid::now_v7()),
        fingerprint: String::new(),
        started_at: chrono::DateTime::UNIX_EPOCH,
        elapsed_us: 0,
        timing: tidegate_core::execution::Timing::default(),
        rows: 0,
        bytes: 0,
        truncated: None,
        error: None,
        arguments: None,
    }
}
