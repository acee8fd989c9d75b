use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tidegate_core::id::{SourceId, TenantId};
use uuid::Uuid;

use super::*;
use crate::stand_in::StandIn;

/// What the stand-in keeps: secrets by name, with the deletion they wait for.
type Secrets = Arc<Mutex<HashMap<String, (String, Option<i64>)>>>;

fn service(secrets: &Secrets, operation: &str, request: &Value) -> (u16, Value) {
    let fault = |code: &str, message: &str| (400, json!({"__type": code, "message": message}));
    let mut secrets = secrets.lock().unwrap();
    let name = request["Name"].as_str().or(request["SecretId"].as_str()).unwrap().to_owned();
    match (operation, secrets.get_mut(&name)) {
        ("CreateSecret", None) => {
            assert!(request["ClientRequestToken"].is_string());
            secrets.insert(name.clone(), (request["SecretString"].as_str().unwrap().to_owned(), None));
            (200, json!({"ARN": format!("arn:{name}"), "Name": name}))
        }
        ("CreateSecret", Some(_)) => fault("ResourceExistsException", "The secret already exists."),
        (_, None) => fault("ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
        (_, Some((_, Some(_)))) => fault(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ),
        ("GetSecretValue", Some((secret, None))) => (200, json!({"Name": name, "SecretString": secret})),
        ("DeleteSecret", Some((_, deletion))) => {
            match request["RecoveryWindowInDays"].as_i64() {
                Some(days) => *deletion = Some(days),
                None => {
                    assert_eq!(request["ForceDeleteWithoutRecovery"], true);
                    secrets.remove(&name);
                }
            }
            (200, json!({"Name": name}))
        }
        other => panic!("{other:?}"),
    }
}

fn names(prefix: &str) -> SecretNames {
    SecretNames { prefix: prefix.to_owned(), master_key: "master".to_owned(), kms_key: None }
}

async fn open() -> (SecretsManagerVault, Secrets, StandIn) {
    let secrets = Secrets::default();
    let kept = Arc::clone(&secrets);
    let server = StandIn::new(move |operation, request| service(&kept, operation, request)).await;
    let vault = SecretsManagerVault::new(Client::new(&server.config()), &names("tidegate/test/"));
    (vault, secrets, server)
}

fn reference() -> SecretRef {
    SecretRef::new(TenantId::from_uuid(Uuid::now_v7()), SourceId::from_uuid(Uuid::now_v7()), Uuid::now_v7())
}

#[tokio::test]
async fn a_secret_is_kept_until_it_is_deleted() {
    let (vault, secrets, _server) = open().await;
    let reference = reference();
    vault.put(&reference, &SecretString::from("p\u{e4}ss")).await.unwrap();
    assert!(secrets.lock().unwrap().contains_key(&format!("tidegate/test/{}", reference.as_str())));
    assert_eq!(vault.get(&reference).await.unwrap().expose_secret(), "p\u{e4}ss");
    let error = vault.put(&reference, &SecretString::from("other")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AlreadyExists);
    vault.delete(&reference).await.unwrap();
    vault.delete(&reference).await.unwrap();
    assert!(secrets.lock().unwrap().is_empty());
    assert_eq!(vault.get(&reference).await.unwrap_err().code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_deleted_secret_may_wait_for_its_end() {
    let (vault, secrets, _server) = open().await;
    let vault = vault.with_recovery_days(7);
    let reference = reference();
    vault.put(&reference, &SecretString::from("pw")).await.unwrap();
    vault.delete(&reference).await.unwrap();
    assert!(secrets.lock().unwrap().values().all(|(_, deletion)| *deletion == Some(7)));
    assert_eq!(vault.get(&reference).await.unwrap_err().code(), ErrorCode::NotFound);
    vault.delete(&reference).await.unwrap();
}

#[tokio::test]
async fn the_health_check_needs_no_secret() {
    let (vault, _secrets, server) = open().await;
    vault.check().await.unwrap();
    assert_eq!(server.calls(), ["GetSecretValue"]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_does_not_show_the_secret() {
    let server =
        StandIn::new(|_, _| (200, json!({"Name": 5, "SecretString": "correct horse", "CreatedDate": "never"}))).await;
    let vault = SecretsManagerVault::new(Client::new(&server.config()), &names(""));
    let error = vault.get(&reference()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(!format!("{error:?}").contains("horse"), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_unavailable_and_says_why_in_the_log_only() {
    let server =
        StandIn::new(|_, _| (400, json!({"__type": "AccessDeniedException", "Message": "not authorized"}))).await;
    let vault = SecretsManagerVault::new(Client::new(&server.config()), &names(""));
    let error = vault.check().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(!error.message().contains("authorized"));
    assert!(error.context().unwrap().contains("AccessDeniedException"), "{error:?}");
}
