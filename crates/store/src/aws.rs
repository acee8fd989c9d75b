//! The backend on AWS.

use std::env;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_types::{SdkConfig, region::Region};
use tidegate_core::{Error, ErrorCode, Result};

use crate::{DynamoStore, SecretsManagerVault, dynamo::patience};

/// Where a deployment keeps its things. Region and credentials are not part of it: they come from the environment.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// The name of the table.
    pub table: String,
    /// The names of its secrets; none for a function that reaches no source.
    pub secrets: Option<SecretNames>,
    /// The address of a server to use in place of AWS.
    pub endpoint: Option<String>,
}

/// The names of the secrets of a deployment.
#[derive(Clone, Debug)]
pub struct SecretNames {
    /// What the names of the sources' secrets begin with, such as `tidegate/prod/sources/`.
    pub prefix: String,
    /// The name of the secret that holds the master key.
    pub master_key: String,
    /// The KMS key that new secrets are encrypted with; Secrets Manager's own when there is none.
    pub kms_key: Option<String>,
}

/// The store and the vault of a deployment on AWS. They share one configuration and one HTTP client.
#[derive(Clone, Debug)]
pub struct AwsBackend {
    /// The store.
    pub store: DynamoStore,
    /// The vault, when the deployment's secrets are named.
    pub vault: Option<SecretsManagerVault>,
}

impl AwsBackend {
    /// A backend with the region and the credentials that the environment holds: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. Lambda sets them for a function, so nothing else is looked for.
    ///
    /// It makes no call: whether the table and the vault answer is for their
    /// [`Health`](tidegate_core::ports::Health) checks. `InvalidRequest` when a variable is missing.
    pub fn from_environment(settings: &AwsSettings) -> Result<Self> {
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
            env::var("AWS_SESSION_TOKEN").ok().filter(|token| !token.is_empty()),
            None,
            "environment",
        );
        let mut config = base()
            .region(Region::new(variable("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        config.set_endpoint_url(settings.endpoint.clone());
        Ok(Self::new(&config.build(), settings))
    }

    fn new(config: &SdkConfig, settings: &AwsSettings) -> Self {
        Self {
            store: DynamoStore::new(aws_sdk_dynamodb::Client::new(config), &settings.table),
            vault: settings
                .secrets
                .as_ref()
                .map(|names| SecretsManagerVault::new(aws_sdk_secretsmanager::Client::new(config), names)),
        }
    }
}

/// What does not depend on where the credentials come from.
fn base() -> aws_types::sdk_config::Builder {
    let (retries, timeouts) = patience();
    SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .retry_config(retries)
        .timeout_config(timeouts)
}

fn variable(name: &str) -> Result<String> {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::new(ErrorCode::InvalidRequest, format!("the environment variable {name} is not set")))
}
