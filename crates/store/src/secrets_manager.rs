//! The vault of a deployment on AWS.

#[cfg(feature = "operator")]
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_secretsmanager::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{Filter, FilterNameStringType},
};
use secrecy::{ExposeSecret, SecretString};
use tidegate_core::{
    Error, ErrorCode, Result,
    id::TenantId,
    ports::{Health, Vault},
    source::SecretRef,
};

use crate::{MasterKey, SecretNames, failure, vault};

#[cfg(test)]
mod tests;

/// The id of the version with the first master key. Secrets Manager refuses another value under the same id, so of two
/// processes that fill the secret one does.
#[cfg(feature = "operator")]
const FIRST_KEY: &str = "tidegate-first-master-key-of-the-deployment";

/// Secrets Manager as the vault: one secret for each reference, named by a prefix and the reference.
#[derive(Clone, Debug)]
pub struct SecretsManagerVault {
    client: Client,
    names: Arc<SecretNames>,
}

/// What is stored under the name of a secret.
enum Stored {
    Value(SecretString),
    /// No secret, or one without a value.
    Absent,
    /// A secret that waits for its deletion, until when it can be restored.
    Marked,
}

impl SecretsManagerVault {
    pub(crate) fn new(client: Client, names: &SecretNames) -> Self {
        Self { client, names: Arc::new(names.clone()) }
    }

    /// The master key of the deployment, which `tidegate store init` puts there. `NotFound` when there is none, or it is
    /// marked for deletion.
    pub async fn master_key(&self) -> Result<MasterKey> {
        let name = &self.names.master_key;
        match self.read(name.clone()).await? {
            Stored::Value(key) => MasterKey::from_base64(key.expose_secret(), &format!("the secret {name}")),
            Stored::Absent => Err(Error::new(
                ErrorCode::NotFound,
                format!("there is no secret {name}: run `tidegate store init` for this environment"),
            )),
            Stored::Marked => Err(marked_for_deletion(name)),
        }
    }

    /// Puts a random master key into its secret when that holds none, and says whether it did. A key that is there is
    /// not replaced, whoever else does the same at the same time.
    ///
    /// `NotFound` when there is no secret, or it is marked for deletion. On an emulator it is made.
    #[cfg(feature = "operator")]
    pub(crate) async fn make_master_key(&self, is_emulated: bool) -> Result<bool> {
        let name = &self.names.master_key;
        let described = match self.client.describe_secret().secret_id(name).send().await {
            Ok(described) => Some(described),
            Err(error) if matches!(missing(&error), Some(Stored::Absent)) => None,
            Err(error) => return Err(failed("DescribeSecret", &error)),
        };
        // A secret is described until it is gone.
        if described.as_ref().is_some_and(|secret| secret.deleted_date().is_some()) {
            return Err(marked_for_deletion(name));
        }
        let key = SecretString::from(MasterKey::random_base64()?);
        match described {
            Some(secret) => {
                // What an emulator says of versions differs from AWS. There the key is not read: an operator need not
                // know it.
                let has_value = match is_emulated {
                    true => matches!(self.read(name.clone()).await?, Stored::Value(_)),
                    false => secret.version_ids_to_stages().is_some_and(has_current),
                };
                if has_value { Ok(false) } else { self.fill_master_key(&key).await }
            }
            None if is_emulated => self.create_master_key(&key).await,
            None => Err(Error::new(ErrorCode::NotFound, format!("there is no secret {name}: deploy the environment"))),
        }
    }

    #[cfg(feature = "operator")]
    async fn create_master_key(&self, key: &SecretString) -> Result<bool> {
        let create = self.client.create_secret().name(&self.names.master_key);
        match create.secret_string(key.expose_secret()).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_resource_exists_exception()) => Ok(false),
            Err(error) => Err(failed("CreateSecret", &error)),
        }
    }

    #[cfg(feature = "operator")]
    async fn fill_master_key(&self, key: &SecretString) -> Result<bool> {
        let put = self
            .client
            .put_secret_value()
            .secret_id(&self.names.master_key)
            .client_request_token(FIRST_KEY)
            .secret_string(key.expose_secret());
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_resource_exists_exception()) => Ok(false),
            Err(error) => Err(failed("PutSecretValue", &error)),
        }
    }

    fn name(&self, reference: &SecretRef) -> String {
        format!("{}{}", self.names.prefix, reference.as_str())
    }

    async fn read(&self, name: String) -> Result<Stored> {
        match self.client.get_secret_value().secret_id(name).send().await {
            Ok(answer) => Ok(answer.secret_string.map_or(Stored::Absent, |secret| Stored::Value(secret.into()))),
            Err(error) => missing(&error).ok_or_else(|| failed("GetSecretValue", &error)),
        }
    }
}

#[async_trait]
impl Vault for SecretsManagerVault {
    async fn put(&self, reference: &SecretRef, secret: &SecretString) -> Result<()> {
        // The SDK gives each call a token, so an attempt whose answer was lost is not taken for another secret.
        self.client
            .create_secret()
            .name(self.name(reference))
            .secret_string(secret.expose_secret())
            .set_kms_key_id(self.names.kms_key.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| match error.as_service_error() {
                Some(service) if service.is_resource_exists_exception() => vault::existing(),
                Some(service) if service.is_limit_exceeded_exception() => {
                    Error::new(ErrorCode::LimitExceeded, "the vault holds as many secrets as it may")
                }
                _ => failed("CreateSecret", &error),
            })
    }

    async fn get(&self, reference: &SecretRef) -> Result<SecretString> {
        match self.read(self.name(reference)).await? {
            Stored::Value(secret) => Ok(secret),
            Stored::Absent => Err(vault::absent()),
            Stored::Marked => Err(vault::absent().with_context("the secret is marked for deletion")),
        }
    }

    async fn delete(&self, reference: &SecretRef) -> Result<()> {
        let delete = self.client.delete_secret().secret_id(self.name(reference));
        let delete = match self.names.recovery_days {
            Some(days) => delete.recovery_window_in_days(days.into()),
            None => delete.force_delete_without_recovery(true),
        };
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) if missing(&error).is_some() => Ok(()),
            Err(error) => Err(failed("DeleteSecret", &error)),
        }
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<SecretRef>> {
        let filter =
            Filter::builder().key(FilterNameStringType::Name).values(format!("{}{tenant}/", self.names.prefix)).build();
        let mut pages = self.client.list_secrets().filters(filter).max_results(100).into_paginator().send();
        let mut references = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ListSecrets", &error))?;
            let names = page.secret_list.iter().flatten().filter_map(|secret| secret.name.as_deref());
            // Secrets that others made may begin alike.
            references.extend(names.filter_map(|name| SecretRef::from_key(name.strip_prefix(&self.names.prefix)?)));
        }
        Ok(references)
    }
}

#[async_trait]
impl Health for SecretsManagerVault {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn check(&self) -> Result<()> {
        // Reading a secret that is never written needs no permission that the vault does not have anyway.
        self.read(format!("{}health", self.names.prefix)).await.map(drop)
    }
}

/// Whether one of the versions of a secret is its value.
#[cfg(feature = "operator")]
fn has_current(stages: &HashMap<String, Vec<String>>) -> bool {
    stages.values().flatten().any(|stage| stage == "AWSCURRENT")
}

/// What an error says of a secret that is not there; none when it says something else.
fn missing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<Stored> {
    let service = error.as_service_error()?;
    let is_marked = |text: &str| text.contains("marked for deletion") || text.contains("scheduled for deletion");
    match service.code()? {
        "ResourceNotFoundException" => Some(Stored::Absent),
        "InvalidRequestException" if service.message().is_some_and(is_marked) => Some(Stored::Marked),
        _ => None,
    }
}

/// The master key is on its way out. Until it is gone, no other can be made under its name.
fn marked_for_deletion(name: &str) -> Error {
    let message = format!(
        "the secret {name} is marked for deletion: keep it by `aws secretsmanager restore-secret --secret-id {name}`"
    );
    Error::new(ErrorCode::NotFound, message)
}

fn failed<E, R>(operation: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    failure::of_call("vault", operation, error)
}
