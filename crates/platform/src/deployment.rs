//! What a function of a deployment is told by its environment variables.

use std::{env, fmt::Display};

use tidegate_core::{Error, ErrorCode, Result};
use tidegate_store::{AwsSettings, SecretNames};

use crate::{Environment, environment::deploy::Deploy};

/// The variable with the settings of the environment file, as JSON.
const CONFIG: &str = "TIDEGATE_CONFIG";
/// The variable with the name of the table.
const TABLE: &str = "TIDEGATE_TABLE";
/// The variable with what the names of the sources' secrets begin with. A function that opens no source has none.
const SECRET_PREFIX: &str = "TIDEGATE_SECRET_PREFIX";
/// The variable with the name of the secret that holds the master key.
const MASTER_KEY_SECRET: &str = "TIDEGATE_MASTER_KEY_SECRET";
/// The variable with the KMS key that new secrets are encrypted with; without it Secrets Manager uses its own.
const KMS_KEY: &str = "TIDEGATE_KMS_KEY";
/// The variable with the days for which a deleted secret can be brought back; without it one is gone at once.
const RECOVERY_DAYS: &str = "TIDEGATE_SECRET_RECOVERY_DAYS";
/// The variable with the addresses of the deployment, separated by commas.
const URLS: &str = "TIDEGATE_URLS";
/// The variable that says whether the function URL streams: `true` or `false`.
const URL_STREAMS: &str = "TIDEGATE_URL_STREAMS";
/// The variable with the address of a server to use in place of AWS (AWS SDKs, "service-specific endpoints").
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// The days for which what is deleted of a protected deployment can be brought back, as `infra/environment.tf` has it.
const PROTECTED_DAYS: u16 = 30;

/// What a function is told.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// What is set in the environment file.
    pub environment: Environment,
    /// Where the deployment keeps its things.
    pub aws: AwsSettings,
    /// The addresses of the deployment.
    pub urls: Vec<String>,
    /// Whether the function URL streams.
    pub url_streams: bool,
}

impl Deployment {
    /// Reads the variables. `InvalidRequest` when one is missing or cannot be read.
    pub fn from_environment() -> Result<Self> {
        let environment = serde_json::from_str(&variable(CONFIG)?).map_err(|error| wrong(CONFIG, error))?;
        let secrets = match optional(SECRET_PREFIX) {
            None => None,
            Some(prefix) => Some(SecretNames {
                prefix,
                master_key: variable(MASTER_KEY_SECRET)?,
                kms_key: optional(KMS_KEY),
                recovery_days: optional(RECOVERY_DAYS).as_deref().map(recovery_days).transpose()?,
            }),
        };
        let url_streams = match optional(URL_STREAMS).as_deref() {
            Some("true") => true,
            Some("false") | None => false,
            Some(_) => return Err(wrong(URL_STREAMS, "must be `true` or `false`")),
        };
        Ok(Self {
            environment,
            aws: AwsSettings { table: variable(TABLE)?, secrets, endpoint: optional(ENDPOINT) },
            urls: optional(URLS).iter().flat_map(|urls| urls.split(',')).map(str::to_owned).collect(),
            url_streams,
        })
    }
}

impl Deploy {
    /// Where Terraform keeps the things of this deployment: the names that `infra/modules/table` and
    /// `infra/modules/secrets` give them.
    pub fn aws_settings(&self) -> AwsSettings {
        let secrets = SecretNames {
            prefix: format!("{}/sources/", self.name),
            master_key: format!("{}/master-key", self.name),
            kms_key: None,
            recovery_days: self.protected.then_some(PROTECTED_DAYS),
        };
        AwsSettings { table: self.name.clone(), secrets: Some(secrets), endpoint: None }
    }
}

/// Reads a number of days that Secrets Manager keeps a deleted secret for.
fn recovery_days(text: &str) -> Result<u16> {
    let days = text.parse().ok().filter(|days| (7..=30).contains(days));
    days.ok_or_else(|| wrong(RECOVERY_DAYS, "must be a whole number from 7 to 30"))
}

fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn variable(name: &str) -> Result<String> {
    optional(name)
        .ok_or_else(|| Error::new(ErrorCode::InvalidRequest, format!("the environment variable {name} is not set")))
}

fn wrong(name: &str, what: impl Display) -> Error {
    Error::new(ErrorCode::InvalidRequest, format!("the environment variable {name} is wrong: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_secret_is_kept_for_as_long_as_secrets_manager_can() {
        assert_eq!(recovery_days("7").unwrap(), 7);
        assert_eq!(recovery_days("30").unwrap(), 30);
        for wrong in ["6", "31", "-7", "7.5", "a week"] {
            let error = recovery_days(wrong).unwrap_err();
            assert!(error.message().contains("TIDEGATE_SECRET_RECOVERY_DAYS is wrong"), "{wrong}: {error:?}");
        }
    }
}
