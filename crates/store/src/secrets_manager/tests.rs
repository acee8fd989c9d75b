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
    if operation == "ListSecrets" {
        return list(&secrets, request);
    }
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

/// One secret a page, by a prefix.
fn list(secrets: &HashMap<String, (String, Option<i64>)>, request: &Value) -> (u16, Value) {
    assert_eq!(request["Filters"][0]["Key"], "name");
    let prefix = request["Filters"][0]["Values"][0].as_str().unwrap();
    let mut names: Vec<_> = secrets.keys().filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    let first: usize = request["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let more = (first + 1 < names.len()).then(|| (first + 1).to_string());
    let page: Vec<_> = names.iter().skip(first).take(1).map(|name| json!({"Name": name})).collect();
    (200, json!({"SecretList": page, "NextToken": more}))
}

fn names(prefix: &str) -> SecretNames {
    SecretNames { prefix: prefix.to_owned(), master_key: "master".to_owned(), kms_key: None, recovery_days: None }
}

async fn open() -> (SecretsManagerVault, Secrets, StandIn) {
    open_with(&names("tidegate/test/")).await
}

async fn open_with(names: &SecretNames) -> (SecretsManagerVault, Secrets, StandIn) {
    let secrets = Secrets::default();
    let kept = Arc::clone(&secrets);
    let server = StandIn::new(move |operation, request| service(&kept, operation, request)).await;
    let vault = SecretsManagerVault::new(Client::new(&server.config()), names);
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
    let names = SecretNames { recovery_days: Some(7), ..names("tidegate/test/") };
    let (vault, secrets, _server) = open_with(&names).await;
    let reference = reference();
    vault.put(&reference, &SecretString::from("pw")).await.unwrap();
    vault.delete(&reference).await.unwrap();
    assert!(secrets.lock().unwrap().values().all(|(_, deletion)| *deletion == Some(7)));
    let error = vault.get(&reference).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.context().unwrap().contains("marked for deletion"), "{error:?}");
    vault.delete(&reference).await.unwrap();
}

#[tokio::test]
async fn a_master_key_that_is_marked_for_deletion_can_be_restored() {
    let (vault, secrets, _server) = open().await;
    let absent = vault.master_key().await.err().unwrap();
    assert!(absent.message().contains("tidegate store init"), "{absent:?}");
    secrets.lock().unwrap().insert("master".to_owned(), (String::new(), Some(30)));
    let marked = vault.master_key().await.err().unwrap();
    assert_eq!(marked.code(), ErrorCode::NotFound);
    assert!(marked.message().contains("aws secretsmanager restore-secret --secret-id master"), "{marked:?}");
    assert!(!marked.message().contains("init"));
}

#[tokio::test]
async fn the_secrets_of_one_tenant_are_listed_page_by_page() {
    let (vault, secrets, server) = open().await;
    let (ours, source) = (TenantId::from_uuid(Uuid::now_v7()), SourceId::from_uuid(Uuid::now_v7()));
    let kept: Vec<_> = (0..3).map(|_| SecretRef::new(ours, source, Uuid::now_v7())).collect();
    for reference in kept.iter().chain([&reference()]) {
        vault.put(reference, &SecretString::from("pw")).await.unwrap();
    }
    secrets.lock().unwrap().insert(format!("tidegate/test/{ours}/notes"), (String::new(), None));
    assert_eq!(vault.list(ours).await.unwrap(), kept);
    assert_eq!(server.calls().iter().filter(|call| *call == "ListSecrets").count(), 4);
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

/// How a secret answers whether it holds a value.
#[cfg(feature = "operator")]
async fn key_maker(
    stages: Option<Value>,
    current: Option<&'static str>,
    put: (u16, Value),
) -> (SecretsManagerVault, StandIn) {
    let absent = json!({"__type": "ResourceNotFoundException", "message": "no such secret"});
    let server = StandIn::new(move |operation, request| {
        let is_made = operation == "CreateSecret" || operation == "PutSecretValue";
        assert!(!is_made || MasterKey::from_base64(request["SecretString"].as_str().unwrap(), "").is_ok());
        match operation {
            "DescribeSecret" => match &stages {
                Some(stages) => (200, json!({"Name": "master", "VersionIdsToStages": stages})),
                None => (400, absent.clone()),
            },
            "GetSecretValue" => match current {
                Some(value) => (200, json!({"Name": "master", "SecretString": value})),
                None => (200, json!({"Name": "master"})),
            },
            "PutSecretValue" => {
                assert_eq!(request["ClientRequestToken"], FIRST_KEY);
                put.clone()
            }
            "CreateSecret" => (200, json!({"Name": "master"})),
            other => panic!("{other}"),
        }
    })
    .await;
    (SecretsManagerVault::new(Client::new(&server.config()), &names("")), server)
}

#[cfg(feature = "operator")]
#[tokio::test]
async fn a_master_key_is_made_only_where_there_is_none() {
    let done = || (200, json!({"Name": "master"}));
    let taken = || (400, json!({"__type": "ResourceExistsException", "message": "another value"}));
    let filled = || Some(json!({"v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT"]}));
    let empty = || Some(json!({}));
    for (stages, current, put, is_emulated, made, calls) in [
        (filled(), Some("k"), done(), false, Some(false), &["DescribeSecret"][..]),
        (empty(), None, done(), false, Some(true), &["DescribeSecret", "PutSecretValue"]),
        // Another process was faster.
        (empty(), None, taken(), false, Some(false), &["DescribeSecret", "PutSecretValue"]),
        (None, None, done(), false, None, &["DescribeSecret"]),
        (None, None, done(), true, Some(true), &["DescribeSecret", "CreateSecret"]),
        (filled(), Some("k"), done(), true, Some(false), &["DescribeSecret", "GetSecretValue"]),
        (filled(), None, done(), true, Some(true), &["DescribeSecret", "GetSecretValue", "PutSecretValue"]),
    ] {
        let place = format!("{stages:?} {current:?} {is_emulated}");
        let (vault, server) = key_maker(stages, current, put).await;
        let outcome = vault.make_master_key(is_emulated).await;
        match made {
            Some(made) => assert_eq!(outcome.unwrap(), made, "{place}"),
            None => {
                let error = outcome.unwrap_err();
                assert_eq!(error.code(), ErrorCode::NotFound);
                assert_eq!(error.message(), "there is no secret master: deploy the environment");
            }
        }
        assert_eq!(server.calls(), calls, "{place}");
    }
}

#[cfg(feature = "operator")]
#[tokio::test]
async fn no_master_key_is_made_beside_one_that_is_marked_for_deletion() {
    for is_emulated in [false, true] {
        let server = StandIn::new(|operation, _| {
            assert_eq!(operation, "DescribeSecret");
            let stages = json!({"v1": ["AWSCURRENT"]});
            (200, json!({"Name": "master", "DeletedDate": 1_795_172_400.5, "VersionIdsToStages": stages}))
        })
        .await;
        let vault = SecretsManagerVault::new(Client::new(&server.config()), &names(""));
        let error = vault.make_master_key(is_emulated).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(error.message().contains("aws secretsmanager restore-secret --secret-id master"), "{error:?}");
    }
}
