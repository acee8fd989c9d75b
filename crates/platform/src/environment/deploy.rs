//! What Terraform builds of a deployment. `infra/modules/environment` checks the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_core::{Error, ErrorCode, Result, error::Fault};

/// The retentions that CloudWatch Logs knows, in days (CloudWatch Logs API, `PutRetentionPolicy`).
const LOG_DAYS: [u16; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// The longest that a function behind the gateway may take, in seconds: the gateway waits for 30.
const GATEWAY_LIMIT_S: u16 = 29;
/// The longest that any function may take, in seconds (AWS Lambda quotas).
const LAMBDA_LIMIT_S: u16 = 900;

/// What Terraform builds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// What the names of everything begin with.
    pub name: String,
    /// The AWS region.
    pub region: String,
    /// Tags of everything.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether what holds data is kept from being destroyed.
    pub protected: bool,
    /// The processor of the functions.
    pub architecture: Architecture,
    /// The functions.
    pub functions: Functions,
    /// How many days logs stay.
    pub log_days: u16,
    /// Whether X-Ray traces the functions.
    pub tracing: bool,
    /// The gateway.
    pub gateway: Gateway,
    /// The functions that also have a URL which streams.
    #[serde(default)]
    pub streaming: Vec<Streaming>,
    /// The network that the functions reach databases through; none for the internet.
    #[serde(default)]
    pub network: Option<Network>,
    /// When each task of `sync` runs.
    pub schedules: BTreeMap<String, String>,
    /// Who is told of alarms.
    #[serde(default)]
    pub alarm_emails: Vec<String>,
}

/// The processor of the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Graviton.
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86,
}

/// The functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Functions {
    /// API keys.
    pub auth: Function,
    /// Sources, queries and servers.
    pub registry: Function,
    /// Running statements.
    pub execute: Function,
    /// The MCP endpoint.
    pub mcp: Function,
    /// What runs on a schedule.
    pub sync: Function,
}

impl Functions {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, &Function); 5] {
        [
            ("auth", &self.auth),
            ("registry", &self.registry),
            ("execute", &self.execute),
            ("mcp", &self.mcp),
            ("sync", &self.sync),
        ]
    }
}

/// One function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its memory in MB, and with it its share of a processor.
    pub memory_mb: u16,
    /// The longest that a call may take, in seconds.
    pub timeout_s: u16,
    /// The most environments at once; none for the limit of the account.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Environments that are kept ready.
    #[serde(default)]
    pub provisioned: u32,
    /// The 95th percentile of its time, in milliseconds, that raises an alarm.
    pub p95_ms: u32,
}

/// The gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The names it answers to, beside its own.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Whether it answers to its own name.
    pub default_endpoint: bool,
    /// The steady rate of calls that it lets through.
    pub requests_per_second: f64,
    /// The calls it lets through at once.
    pub burst: u32,
    /// What pages of other sites may do.
    pub cors: Cors,
    /// The tokens that the gateway checks by itself; none when only the functions do.
    #[serde(default)]
    pub jwt: Option<Jwt>,
}

/// A name of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The host name.
    pub name: String,
    /// Its certificate in the same region.
    pub certificate_arn: String,
    /// The Route 53 zone to write its record in; none when that is done elsewhere.
    #[serde(default)]
    pub zone_id: Option<String>,
}

/// What pages of other sites may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The origins whose pages may call.
    pub origins: Vec<String>,
    /// How long a browser may remember that, in seconds.
    pub max_age_s: u32,
}

/// The tokens that the gateway checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Who makes them.
    pub issuer: String,
    /// Whom they are for.
    pub audience: Vec<String>,
}

/// A function that can stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Streaming {
    /// Running statements.
    Execute,
    /// The MCP endpoint.
    Mcp,
}

/// The network of the functions: one that is made, or one that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The addresses of a network to make.
    pub cidr: Option<String>,
    /// Whether the network that is made reaches the internet.
    pub nat: bool,
    /// The subnets of one that exists.
    pub subnets: Vec<String>,
    /// The security groups of one that exists.
    pub security_groups: Vec<String>,
}

impl Deploy {
    /// `InvalidRequest` with everything that is wrong.
    pub fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, field: &str, message: &str| {
            if !holds {
                faults.push(Fault::of(format!("deploy.{field}"), message));
            }
        };
        expect(is_name(&self.name), "name", "3 to 31 lower-case letters, digits and hyphens, beginning with a letter");
        expect(is_region(&self.region), "region", "the code of an AWS region, such as eu-west-1");
        expect(
            LOG_DAYS.contains(&self.log_days),
            "log_days",
            "a number of days that CloudWatch Logs knows, such as 14",
        );
        for (name, function) in self.functions.named() {
            let limit = if name == "sync" { LAMBDA_LIMIT_S } else { GATEWAY_LIMIT_S };
            let place = |key: &str| format!("functions.{name}.{key}");
            expect((128..=10_240).contains(&function.memory_mb), &place("memory_mb"), "128 to 10240");
            expect((1..=limit).contains(&function.timeout_s), &place("timeout_s"), &format!("1 to {limit}"));
            expect(function.concurrency != Some(0), &place("concurrency"), "at least 1, or null");
            let most = function.concurrency.unwrap_or(u32::MAX);
            expect(function.provisioned <= most, &place("provisioned"), "no more than the function's concurrency");
            let most = u32::from(function.timeout_s) * 1000;
            expect(
                (1..=most).contains(&function.p95_ms),
                &place("p95_ms"),
                "more than 0, and no more than the timeout",
            );
        }
        let gateway = &self.gateway;
        expect(
            gateway.default_endpoint || !gateway.domains.is_empty(),
            "gateway.default_endpoint",
            "true, or a domain: otherwise there is no address",
        );
        expect(gateway.requests_per_second > 0.0, "gateway.requests_per_second", "more than 0");
        expect(gateway.burst > 0, "gateway.burst", "more than 0");
        expect(
            gateway.cors.origins.iter().all(|it| is_origin(it)),
            "gateway.cors.origins",
            "origins such as https://app.example.com; no wildcard",
        );
        expect(gateway.cors.max_age_s <= 86_400, "gateway.cors.max_age_s", "0 to 86400");
        if let Some(jwt) = &gateway.jwt {
            expect(jwt.issuer.starts_with("https://"), "gateway.jwt.issuer", "the https URL of an issuer");
            expect(!jwt.audience.is_empty(), "gateway.jwt.audience", "at least one");
        }
        if let Some(network) = &self.network {
            expect(
                network.cidr.is_some() == network.subnets.is_empty(),
                "network",
                "either a cidr to make a network of, or the subnets of one that exists",
            );
            expect(
                network.subnets.is_empty() == network.security_groups.is_empty(),
                "network",
                "subnets and security_groups go together",
            );
        }
        for (task, rate) in &self.schedules {
            let is_rate = ["rate(", "cron("].iter().any(|kind| rate.starts_with(kind)) && rate.ends_with(')');
            expect(is_rate, &format!("schedules.{task}"), "rate(15 minutes) or cron(0 3 * * ? *)");
        }
        let is_email =
            |text: &String| text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        expect(self.alarm_emails.iter().all(is_email), "alarm_emails", "e-mail addresses");
        if faults.is_empty() {
            return Ok(());
        }
        let text =
            faults.iter().map(|fault| format!("{}: {}", fault.field.as_deref().unwrap_or_default(), fault.message));
        let text = text.collect::<Vec<_>>().join("; ");
        Err(Error::new(ErrorCode::InvalidRequest, text).with_faults(faults))
    }
}

fn is_name(text: &str) -> bool {
    (3..=31).contains(&text.len())
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
}

fn is_region(text: &str) -> bool {
    let mut parts = text.rsplit('-');
    parts.next().is_some_and(|number| number.len() == 1 && number.chars().all(|it| it.is_ascii_digit()))
        && parts.clone().count() >= 2
        && parts.all(|part| !part.is_empty() && part.chars().all(|it| it.is_ascii_lowercase()))
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_local = scheme == "http" && (host == "localhost" || host.starts_with("localhost:"));
    let is_plain = |it: char| it.is_ascii_alphanumeric() || ".-:".contains(it);
    (scheme == "https" || is_local) && !host.is_empty() && host.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Environment;

    fn read(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/environments");
        std::fs::read_to_string(Path::new(folder).join(name)).unwrap()
    }

    #[test]
    fn the_environments_of_the_repository_are_right() {
        for name in ["local.yaml", "staging.yaml", "production.yaml"] {
            assert!(Environment::parse(&read(name)).unwrap().deploy.is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (right, wrong, place) in [
            ("name: tidegate-staging", "name: Tidegate", "deploy.name"),
            ("region: eu-west-1", "region: europe", "deploy.region"),
            ("log_days: 14", "log_days: 15", "deploy.log_days"),
            ("timeout_s: 10", "timeout_s: 30", "deploy.functions.auth.timeout_s"),
            ("burst: 100", "burst: 0", "deploy.gateway.burst"),
            ("default_endpoint: true", "default_endpoint: false", "deploy.gateway.default_endpoint"),
            ("origins: []", "origins: [\"*\"]", "deploy.gateway.cors.origins"),
            ("rate(1 day)", "daily", "deploy.schedules.purge"),
            ("alarm_emails: []", "alarm_emails: [nobody]", "deploy.alarm_emails"),
            ("network: null", "network: {subnets: [a]}", "deploy.network"),
            ("architecture: arm64", "architecture: arm", "architecture"),
            ("log_days: 14", "log_dayz: 14", "log_dayz"),
        ] {
            let text = read("staging.yaml");
            assert!(text.contains(right), "{right}");
            let error = Environment::parse(&text.replacen(right, wrong, 1)).unwrap_err();
            assert!(error.message().contains(place), "{wrong}: {error}");
        }
    }
}
