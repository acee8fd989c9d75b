//! The backend on AWS.

use std::{env, sync::OnceLock};

#[cfg(feature = "operator")]
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_types::{
    SdkConfig,
    region::Region,
    sdk_config::{self, SharedHttpClient},
};
use tidegate_core::{Error, ErrorCode, Result};

use crate::{DynamoStore, SecretsManagerVault, dynamo::patience};
#[cfg(feature = "operator")]
use crate::{Migrations, TableVersion, failure::causes};

/// Amazon's certificate authorities (Amazon Trust Services, "Repository", the root certificates).
const AMAZON_ROOTS: &str = include_str!("amazon_roots.pem");

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
    /// For how many days, 7 to 30, an administrator can bring back a deleted secret. Without it one is gone at once.
    pub recovery_days: Option<u16>,
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
        let region = variable("AWS_REGION")?;
        let trust_store = match is_amazons(&region, settings.endpoint.as_deref()) {
            true => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            false => TrustStore::default(),
        };
        let mut config = patient(SdkConfig::builder())
            .behavior_version(BehaviorVersion::latest())
            .http_client(http_client(trust_store)?)
            .region(Region::new(region))
            // The credentials are what they are for as long as the process lives.
            .identity_cache(IdentityCache::no_cache())
            // No answer is a stream, and each has its time.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
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
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(http_client(TrustStore::default())?);
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = patient(loader.load().await.into_builder()).build();
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

/// How often a call is tried, and for how long.
fn patient(config: sdk_config::Builder) -> sdk_config::Builder {
    let (retries, timeouts) = patience();
    config.retry_config(retries).timeout_config(timeouts)
}

/// The client of every service. The SDK's own reads the authorities again for each.
fn http_client(trust_store: TrustStore) -> Result<SharedHttpClient> {
    let context = TlsContext::builder().with_trust_store(trust_store).build().map_err(Error::internal)?;
    let connector = OnceLock::new();
    Ok(http_client_fn(move |settings, components| {
        let connect = || {
            let mut builder = Connector::builder().connector_settings(settings.clone());
            builder.set_sleep_impl(components.sleep_impl());
            let builder = builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context.clone());
            SharedHttpConnector::new(builder.build())
        };
        connector.get_or_init(connect).clone()
    }))
}

/// Whether a region's services have certificates of Amazon's own authorities, so that these alone can be trusted: reading
/// the system's 140 is most of a function's start. Those of China, GovCloud and the isolated and sovereign partitions may
/// be others', and so may that of a server in place of AWS.
fn is_amazons(region: &str, endpoint: Option<&str>) -> bool {
    let is_elsewhere = endpoint.is_some_and(|url| !url.starts_with("http://"));
    let is_own_partition = ["cn-", "us-gov-", "eusc-"].iter().any(|start| region.starts_with(start));
    !(is_elsewhere || is_own_partition || region.contains("-iso"))
}

fn variable(name: &str) -> Result<String> {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::new(ErrorCode::InvalidRequest, format!("the environment variable {name} is not set")))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    use super::*;

    #[test]
    fn amazon_alone_is_trusted_for_what_is_amazons() {
        for region in ["eu-west-1", "us-east-1", "ap-southeast-2"] {
            assert!(is_amazons(region, None), "{region}");
        }
        assert!(is_amazons("eu-west-1", Some("http://127.0.0.1:4566")));
        for region in ["cn-north-1", "us-gov-east-1", "us-isob-east-1", "eusc-de-east-1"] {
            assert!(!is_amazons(region, None), "{region}");
        }
        assert!(!is_amazons("eu-west-1", Some("https://aws.example.com")));
    }

    #[test]
    fn amazons_authorities_can_be_read() {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(AMAZON_ROOTS.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        assert_eq!(roots.len(), AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count());
    }
}
