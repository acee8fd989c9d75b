//! The backend on AWS.

use std::env;

#[cfg(feature = "operator")]
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_types::{SdkConfig, region::Region, sdk_config::SharedHttpClient};
use tidegate_core::{Error, ErrorCode, Result};

use crate::{DynamoStore, SecretsManagerVault, dynamo::patience};
#[cfg(feature = "operator")]
use crate::{Migrations, TableVersion, failure::causes};

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
    #[cfg(feature = "operator")]
    is_emulated: bool,
}

#[cfg(feature = "operator")]
const NO_CREDENTIALS: &str =
    "there are no AWS credentials: sign in first, such as by `aws sso login`, and set AWS_PROFILE";

/// What [`AwsBackend::initialise`] did.
#[cfg(feature = "operator")]
#[derive(Clone, Copy, Debug)]
pub struct Initialised {
    /// Whether there was no master key before.
    pub made_master_key: bool,
    /// The version of the table.
    pub version: TableVersion,
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

    /// A backend with the credentials of an operator, wherever AWS tools keep them: variables, a profile, single
    /// sign-on, a role. `region` is that of the deployment; without it the operator's own is used.
    ///
    /// `AWS_ENDPOINT_URL` and `endpoint_url` of a profile are honoured; the endpoint of `settings` goes before them.
    /// `InvalidRequest` when there are no credentials, or there is no region.
    #[cfg(feature = "operator")]
    pub async fn for_operator(settings: &AwsSettings, region: Option<&str>) -> Result<Self> {
        let (retries, timeouts) = patience();
        let mut loader = aws_config::defaults(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .http_client(http_client())
            .retry_config(retries)
            .timeout_config(timeouts);
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        let refusal = |message| Error::new(ErrorCode::InvalidRequest, message);
        if config.region().is_none() {
            return Err(refusal("there is no AWS region: set AWS_REGION"));
        }
        let credentials = config.credentials_provider().ok_or_else(|| refusal(NO_CREDENTIALS))?;
        // The first call would find out too, but as one of many ways in which it can fail.
        credentials
            .provide_credentials()
            .await
            .map_err(|error| refusal(NO_CREDENTIALS).with_context(causes(&error)))?;
        Ok(Self::new(&config, settings))
    }

    /// Makes what a deployment needs and has not: the master key, if its secret is empty, and the version of the
    /// table. On an emulator it makes the table and the secret too; on AWS, Terraform does. Repeating it does no harm.
    ///
    /// `NotFound` when Terraform has not made what it should have.
    #[cfg(feature = "operator")]
    pub async fn initialise(&self, migrations: &Migrations) -> Result<Initialised> {
        if self.is_emulated {
            self.store.create_table().await?;
        }
        let made_master_key = match &self.vault {
            Some(vault) => vault.make_master_key(self.is_emulated).await?,
            None => false,
        };
        Ok(Initialised { made_master_key, version: migrations.initialise().await? })
    }

    fn new(config: &SdkConfig, settings: &AwsSettings) -> Self {
        Self {
            // AWS itself is never called without TLS.
            #[cfg(feature = "operator")]
            is_emulated: config.endpoint_url().is_some_and(|url| url.starts_with("http://")),
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
        .http_client(http_client())
        .retry_config(retries)
        .timeout_config(timeouts)
}

fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn variable(name: &str) -> Result<String> {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::new(ErrorCode::InvalidRequest, format!("the environment variable {name} is not set")))
}
