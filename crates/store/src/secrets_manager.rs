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

impl SecretsManagerVault {
    pub(crate) fn new(client: Client, names: &SecretNames) -> Self {
        Self { client, names: Arc::new(names.clone()) }
    }

    /// The master key of the deployment, which `tidegate store init` puts there. `NotFound` when there is none.
    pub async fn master_key(&self) -> Result<MasterKey> {
        let name = &self.names.master_key;
        match self.read(name.clone()).await? {
            Some(key) => MasterKey::from_base64(key.expose_secret(), &format!("the secret {name}")),
            None => Err(Error::new(
                ErrorCode::NotFound,
                format!("there is no secret {name}: run `tidegate store init` for this environment"),
            )),
        }
    }

    /// Puts a random master key into its secret when that holds none, and says whether it did. A key that is there is
    /// not replaced, whoever else does the same at the same time.
    ///
    /// `NotFound` when there is no secret. On an emulator it is made.
    #[cfg(feature = "operator")]
    pub(crate) async fn make_master_key(&self, is_emulated: bool) -> Result<bool> {
        let name = &self.names.master_key;
        let described = match self.client.describe_secret().secret_id(name).send().await {
            Ok(described) => Some(described),
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(failed("DescribeSecret", &error)),
        };
        let key = SecretString::from(MasterKey::random_base64()?);
        match described {
            Some(secret) => {
                // What an emulator says of versions differs from AWS. There the key is not read: an operator need not
                // know it.
                let has_value = match is_emulated {
                    true => self.read(name.clone()).await?.is_some(),
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

    async fn read(&self, name: String) -> Result<Option<SecretString>> {
        match self.client.get_secret_value().secret_id(name).send().await {
            Ok(answer) => Ok(answer.secret_string.map(SecretString::from)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed("GetSecretValue", &error)),
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
        self.read(self.name(reference)).await?.ok_or_else(vault::absent)
    }

    async fn delete(&self, reference: &SecretRef) -> Result<()> {
        let delete = self.client.delete_secret().secret_id(self.name(reference));
        let delete = match self.names.recovery_days {
            Some(days) => delete.recovery_window_in_days(days.into()),
            None => delete.force_delete_without_recovery(true),
        };
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
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

/// Whether there is no such secret, or only one that waits for its deletion.
fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let service = error.as_service_error();
    match service.and_then(ProvideErrorMetadata::code) {
        Some("ResourceNotFoundException") => true,
        Some("InvalidRequestException") => service.and_then(ProvideErrorMetadata::message).is_some_and(|message| {
            message.contains("marked for deletion") || message.contains("scheduled for deletion")
        }),
        _ => false,
    }
}

fn failed<E, R>(operation: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    failure::of_call("vault", operation, error)
}
