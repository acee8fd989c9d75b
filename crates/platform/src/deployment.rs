//! What a function of a deployment is told by its environment variables.

use axum::http::Uri;
use tidegate_core::{Error, ErrorCode, Result, error::Fault};
use tidegate_http::json::parse_named;
use tidegate_store::{AwsSettings, SecretNames};

use crate::{
    Environment,
    environment::{deploy::Deploy, overrides::wrong, variables::set},
};

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
    /// The hosts of the deployment's addresses.
    pub hosts: Vec<String>,
    /// Whether the function URL streams.
    pub url_streams: bool,
}

impl Deployment {
    /// Reads the variables. `InvalidRequest` when one is missing, cannot be read, or says what an environment may not.
    pub fn from_environment() -> Result<Self> {
        let environment = environment(&variable(CONFIG)?)?;
        let secrets = match set(SECRET_PREFIX) {
            None => None,
            Some(prefix) => Some(SecretNames {
                prefix,
                master_key: variable(MASTER_KEY_SECRET)?,
                kms_key: set(KMS_KEY).map(kms_key).transpose()?,
                recovery_days: set(RECOVERY_DAYS).as_deref().map(recovery_days).transpose()?,
            }),
        };
        let url_streams = match set(URL_STREAMS).as_deref() {
            Some("true") => true,
            Some("false") | None => false,
            Some(_) => return Err(wrong(URL_STREAMS, "must be `true` or `false`")),
        };
        Ok(Self {
            environment,
            aws: AwsSettings { table: variable(TABLE)?, secrets, endpoint: set(ENDPOINT) },
            hosts: set(URLS).iter().flat_map(|urls| urls.split(',')).map(host).collect::<Result<_>>()?,
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

/// Reads the environment, with the variables that go before it. Every fault is in the one message.
fn environment(text: &str) -> Result<Environment> {
    let unread = |error: Error| match error.faults() {
        [Fault { field: Some(field), message, .. }] => wrong(CONFIG, format_args!("`{field}`: {message}")),
        [Fault { column: Some(column), message, .. }] => wrong(CONFIG, format_args!("{message}, at column {column}")),
        _ => wrong(CONFIG, error.message()),
    };
    let environment = parse_named::<Environment>("it", text.as_bytes()).map_err(unread)?.overridden()?;
    let faults = environment.faults_of_settings();
    if faults.is_empty() {
        return Ok(environment);
    }
    let told = |fault: &Fault| format!("`{}` must be {}", fault.field.as_deref().unwrap_or_default(), fault.message);
    Err(wrong(CONFIG, faults.iter().map(told).collect::<Vec<_>>().join("; ")))
}

/// Reads the host of an address.
fn host(url: &str) -> Result<String> {
    let read = url.trim().parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    let host = read.as_ref().and_then(Uri::host).filter(|host| !host.is_empty());
    host.map(str::to_owned)
        .ok_or_else(|| wrong(URLS, format_args!("`{url}` is no address such as https://api.example.com")))
}

/// Reads the name of a KMS key: an ARN, an alias, or an id (AWS KMS Developer Guide, "Key identifiers").
fn kms_key(text: String) -> Result<String> {
    let id = text.strip_prefix("mrk-").unwrap_or(&text);
    let is_id = matches!(id.len(), 32 | 36) && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_arn = text.starts_with("arn:") && text.split(':').nth(2) == Some("kms");
    if is_id || is_arn || text.starts_with("alias/") {
        return Ok(text);
    }
    Err(wrong(KMS_KEY, "must be the ARN, the id or the alias (`alias/…`) of a KMS key"))
}

/// Reads a number of days that Secrets Manager keeps a deleted secret for.
fn recovery_days(text: &str) -> Result<u16> {
    let days = text.parse().ok().filter(|days| (7..=30).contains(days));
    days.ok_or_else(|| wrong(RECOVERY_DAYS, "must be a whole number from 7 to 30"))
}

fn variable(name: &str) -> Result<String> {
    set(name)
        .ok_or_else(|| Error::new(ErrorCode::InvalidRequest, format!("the environment variable {name} is not set")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_what_its_file_may_be() {
        assert_eq!(environment("{}").unwrap(), Environment::default());
        for (text, reason) in [
            ("{", "the JSON ends too early, at column 1"),
            ("{]", "it is not JSON: key must be a string, at column 2"),
            ("[]", "it must be a JSON object, not an array"),
            (
                r#"{"history_days": 0, "quotas": {"keys": 0}}"#,
                "`quotas.keys` must be 1 to 5000; `history_days` must be at least 1",
            ),
        ] {
            let error = environment(text).unwrap_err();
            assert_eq!(error.message(), format!("the environment variable TIDEGATE_CONFIG is wrong: {reason}"));
        }
        let misspelt = environment(r#"{"budget": {"row": 3}}"#).unwrap_err();
        assert!(misspelt.message().contains("is wrong: `budget.row`: unknown field `row`"), "{misspelt:?}");
        assert!(misspelt.message().ends_with("did you mean `rows`?"), "{misspelt:?}");
    }

    #[test]
    fn an_address_has_a_host() {
        for (url, name) in [
            ("https://api.example.com", "api.example.com"),
            (" https://api.example.com/v1", "api.example.com"),
            ("http://127.0.0.1:9000", "127.0.0.1"),
            ("http://[::1]:9000", "[::1]"),
        ] {
            assert_eq!(host(url).unwrap(), name);
        }
        for wrong in ["", "api.example.com", "https://", "ftp://api.example.com", "/v1", "https://a b"] {
            let error = host(wrong).unwrap_err();
            assert!(error.message().contains("TIDEGATE_URLS is wrong"), "{wrong}: {error:?}");
        }
    }

    #[test]
    fn a_kms_key_is_named_as_kms_names_it() {
        for key in [
            "arn:aws:kms:eu-west-1:123456789012:key/1ed86bdb-3db8-481c-922b-402e98123456",
            "1ed86bdb-3db8-481c-922b-402e98123456",
            "mrk-1234567890abcdef1234567890abcdef",
            "alias/tidegate",
        ] {
            assert_eq!(kms_key(key.to_owned()).unwrap(), key);
        }
        for wrong in ["tidegate", "true", "arn:aws:s3:::bucket", "1ed86bdb"] {
            let error = kms_key(wrong.to_owned()).unwrap_err();
            assert!(error.message().contains("TIDEGATE_KMS_KEY is wrong"), "{wrong}: {error:?}");
        }
    }

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
