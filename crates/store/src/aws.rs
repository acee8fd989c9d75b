//! The backend on AWS.

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use crate::{DynamoStore, SecretsManagerVault, dynamo::patience};

/// Where a deployment keeps its things. Region and credentials are not part of it: they come from the environment.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// The name of the table.
    pub table: String,
    /// What the names of secrets begin with, such as `tidegate/prod/`.
    pub secret_prefix: String,
    /// The address of a server to use in place of AWS.
    pub endpoint: Option<String>,
}

/// The store and the vault of a deployment on AWS. They share one configuration and one HTTP client.
#[derive(Clone, Debug)]
pub struct AwsBackend {
    /// The store.
    pub store: DynamoStore,
    /// The vault.
    pub vault: SecretsManagerVault,
}

impl AwsBackend {
    /// Reads region and credentials from the environment, as every AWS program does. It makes no call: whether the
    /// table and the vault answer is for their [`Health`](tidegate_core::ports::Health) checks.
    pub async fn from_environment(settings: &AwsSettings) -> Self {
        let (retries, timeouts) = patience();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
            .retry_config(retries)
            .timeout_config(timeouts);
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        Self {
            store: DynamoStore::new(aws_sdk_dynamodb::Client::new(&config), &settings.table),
            vault: SecretsManagerVault::new(aws_sdk_secretsmanager::Client::new(&config), &settings.secret_prefix),
        }
    }
}
