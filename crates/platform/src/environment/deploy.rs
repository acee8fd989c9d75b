//! What Terraform builds of a deployment. `infra/modules/environment` checks the same.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Deserializer, Serialize};
use tidegate_core::error::Fault;
use utoipa::ToSchema;

/// The retentions that CloudWatch Logs knows, in days (CloudWatch Logs API, `PutRetentionPolicy`).
const LOG_DAYS: [u16; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// The longest that a function behind the gateway may take, in seconds: the gateway waits for 30.
const GATEWAY_LIMIT_S: u16 = 29;
/// The longest that any function may take, in seconds (AWS Lambda quotas).
const LAMBDA_LIMIT_S: u16 = 900;

/// What Terraform builds. Every key has to be there, as Terraform has it, or says that it may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// What the names of everything begin with.
    #[schema(pattern = "^[a-z][a-z0-9-]{2,30}$")]
    pub name: String,
    /// The AWS region.
    #[schema(pattern = "^[a-z]{2}(-[a-z]+)+-[0-9]$", example = "eu-west-1")]
    pub region: String,
    /// Tags of everything.
    pub tags: BTreeMap<String, String>,
    /// Whether what holds data is kept from being destroyed.
    pub protected: bool,
    /// The processor of the functions.
    pub architecture: Architecture,
    /// The functions.
    pub functions: Functions,
    /// How many days logs stay: one of the numbers that CloudWatch Logs knows, such as 14.
    pub log_days: u16,
    /// Whether X-Ray traces the functions.
    pub tracing: bool,
    /// The gateway.
    pub gateway: Gateway,
    /// The functions that also have a URL which streams.
    pub streaming: Vec<Streaming>,
    /// The network that the functions reach databases through; none for the internet.
    #[serde(deserialize_with = "required")]
    #[schema(required)]
    pub network: Option<Network>,
    /// When each task of `sync` runs.
    pub schedules: BTreeMap<String, String>,
    /// Who is told of alarms.
    pub alarm_emails: Vec<String>,
}

/// The processor of the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Graviton.
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86,
}

/// The functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its memory in MB, and with it its share of a processor.
    #[schema(minimum = 128, maximum = 10240)]
    pub memory_mb: u16,
    /// The longest that a call may take, in seconds: 29 behind the gateway, and 900 for `sync`.
    #[schema(minimum = 1, maximum = 900)]
    pub timeout_s: u16,
    /// The most environments at once; none for the limit of the account.
    #[serde(deserialize_with = "required")]
    #[schema(required)]
    pub concurrency: Option<u32>,
    /// Environments that are kept ready.
    pub provisioned: u32,
    /// The 95th percentile of its time, in milliseconds, that raises an alarm.
    pub p95_ms: u32,
}

/// The gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The names it answers to, beside its own.
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
    #[serde(deserialize_with = "required")]
    #[schema(required)]
    pub jwt: Option<Jwt>,
}

/// A name of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The origins whose pages may call.
    pub origins: Vec<String>,
    /// How long a browser may remember that, in seconds.
    #[schema(maximum = 86400)]
    pub max_age_s: u32,
}

/// The tokens that the gateway checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Who makes them.
    pub issuer: String,
    /// Whom they are for.
    pub audience: Vec<String>,
}

/// A function that can stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Streaming {
    /// Running statements.
    Execute,
    /// The MCP endpoint.
    Mcp,
}

/// The network of the functions: one that is made, or one that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// What is wrong with the values, each with its key in the file.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, field: &str, message: &str| {
            if !holds {
                faults.push(Fault::of(format!("deploy.{field}"), message));
            }
        };
        expect(is_name(&self.name), "name", "3 to 31 lower-case letters, digits and hyphens, beginning with a letter");
        expect(is_region(&self.region), "region", "the code of an AWS region, such as eu-west-1");
        let log_days =
            || format!("a number of days that CloudWatch Logs knows: {}", LOG_DAYS.map(|it| it.to_string()).join(", "));
        expect(LOG_DAYS.contains(&self.log_days), "log_days", &log_days());
        for (name, function) in self.functions.named() {
            let limit = if name == "sync" { LAMBDA_LIMIT_S } else { GATEWAY_LIMIT_S };
            let place = |key: &str| format!("functions.{name}.{key}");
            expect((128..=10_240).contains(&function.memory_mb), &place("memory_mb"), "128 to 10240");
            expect((1..=limit).contains(&function.timeout_s), &place("timeout_s"), &format!("1 to {limit}"));
            expect(function.concurrency != Some(0), &place("concurrency"), "at least 1, or null");
            let most = function.concurrency.unwrap_or(u32::MAX);
            expect(function.provisioned <= most, &place("provisioned"), "no more than the function's concurrency");
            let most = u32::from(function.timeout_s) * 1000;
            let is_before = (1..=most).contains(&function.p95_ms);
            expect(is_before, &place("p95_ms"), "more than 0, and no more than the timeout");
        }
        let gateway = &self.gateway;
        for (index, domain) in gateway.domains.iter().enumerate() {
            let place = |key: &str| format!("gateway.domains[{index}].{key}");
            expect(is_host(&domain.name), &place("name"), "a lower-case host name, such as api.example.com");
            let is_first = gateway.domains.iter().take(index).all(|before| before.name != domain.name);
            expect(is_first, &place("name"), "a name that no other domain has");
            let is_here = is_certificate(&domain.certificate_arn, &self.region);
            expect(is_here, &place("certificate_arn"), "the ARN of an ACM certificate of the same region");
        }
        let has_address = gateway.default_endpoint || !gateway.domains.is_empty();
        expect(has_address, "gateway.default_endpoint", "true unless there is a domain: otherwise there is no address");
        expect(gateway.requests_per_second > 0.0, "gateway.requests_per_second", "more than 0");
        expect(gateway.burst > 0, "gateway.burst", "more than 0");
        for (index, origin) in gateway.cors.origins.iter().enumerate() {
            let place = format!("gateway.cors.origins[{index}]");
            expect(is_origin(origin), &place, "an origin such as https://app.example.com; no wildcard");
        }
        expect(gateway.cors.max_age_s <= 86_400, "gateway.cors.max_age_s", "0 to 86400");
        if let Some(jwt) = &gateway.jwt {
            let is_url = ["https://", "http://"].iter().any(|scheme| jwt.issuer.starts_with(scheme));
            expect(is_url, "gateway.jwt.issuer", "the URL of an issuer");
            expect(!jwt.audience.is_empty(), "gateway.jwt.audience", "a list of at least one");
        }
        if let Some(network) = &self.network {
            let is_one = network.cidr.is_some() == network.subnets.is_empty();
            expect(is_one, "network", "either a cidr to make a network of, or the subnets of one that exists");
            let is_pair = network.subnets.is_empty() == network.security_groups.is_empty();
            expect(is_pair, "network", "one with both subnets and security_groups, or none of them");
            let has_room = network.cidr.as_deref().is_none_or(is_block);
            expect(has_room, "network.cidr", "a block of /16 to /22, such as 10.20.0.0/16");
        }
        for (task, rate) in &self.schedules {
            let place = format!("schedules.{task}");
            expect(is_task(task), &place, "the name of a task: lower-case letters and underscores");
            expect(is_rate(rate), &place, "rate(15 minutes) or cron(0 3 * * ? *)");
        }
        for (index, email) in self.alarm_emails.iter().enumerate() {
            expect(is_email(email), &format!("alarm_emails[{index}]"), "an e-mail address");
        }
        faults
    }
}

/// Reads a value that may be null. Serde takes a missing key for null unless it is told how to read the value.
fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer)
}

fn is_name(text: &str) -> bool {
    (3..=31).contains(&text.len())
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
}

fn is_lower_case(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_lowercase())
}

fn is_region(text: &str) -> bool {
    let Some((rest, number)) = text.rsplit_once('-') else { return false };
    let Some((country, places)) = rest.split_once('-') else { return false };
    let is_digit = number.len() == 1 && number.chars().all(|it| it.is_ascii_digit());
    is_digit && country.len() == 2 && is_lower_case(country) && places.split('-').all(is_lower_case)
}

fn is_host(text: &str) -> bool {
    let Some((rest, top)) = text.rsplit_once('.') else { return false };
    let is_plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    let is_label = |label: &str| !label.is_empty() && label.chars().all(is_plain);
    top.len() >= 2 && is_lower_case(top) && rest.split('.').all(is_label)
}

fn is_certificate(arn: &str, region: &str) -> bool {
    let parts = arn.strip_prefix("arn:aws").and_then(|rest| rest.split_once(":acm:"));
    parts.is_some_and(|(partition, rest)| {
        let is_partition = partition.chars().all(|it| it.is_ascii_lowercase() || it == '-');
        is_partition && rest.strip_prefix(region).is_some_and(|rest| rest.starts_with(':'))
    })
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, place)) = text.split_once("://") else { return false };
    let (host, port) = place.split_once(':').unwrap_or((place, "443"));
    let is_plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || ".-".contains(it);
    let is_known = match scheme {
        "https" => !host.is_empty() && host.chars().all(is_plain),
        "http" => host == "localhost",
        _ => false,
    };
    is_known && !port.is_empty() && port.chars().all(|it| it.is_ascii_digit())
}

fn is_block(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    address.parse::<Ipv4Addr>().is_ok() && ["16", "17", "18", "19", "20", "21", "22"].contains(&bits)
}

fn is_task(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_lowercase()) && text.chars().all(|it| it.is_ascii_lowercase() || it == '_')
}

fn is_rate(text: &str) -> bool {
    let inside = ["rate(", "cron("].iter().find_map(|kind| text.strip_prefix(kind)).and_then(|it| it.strip_suffix(')'));
    inside.is_some_and(|it| !it.is_empty())
}

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else { return false };
    let has_dot = host.rsplit_once('.').is_some_and(|(name, top)| !name.is_empty() && !top.is_empty());
    !user.is_empty() && has_dot && !host.contains('@') && !text.contains(' ')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Environment;

    fn read(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/environments");
        std::fs::read_to_string(Path::new(folder).join(name)).unwrap()
    }

    /// What is said about a text: the fault of its form, or the keys of the values that are wrong.
    fn refusals(text: &str, name: &str) -> Vec<String> {
        match Environment::parse(text) {
            Ok(environment) => environment.faults(name).into_iter().filter_map(|fault| fault.field).collect(),
            Err(error) => vec![error.message().to_owned()],
        }
    }

    #[test]
    fn the_environments_of_the_repository_are_right() {
        for name in ["local", "staging", "production"] {
            let text = read(&format!("{name}.yaml"));
            assert_eq!(refusals(&text, name), [""; 0]);
            assert!(Environment::parse(&text).unwrap().deploy.is_some(), "{name}");
        }
    }

    // The same values as in `infra/tests/environment.tftest.hcl`.
    #[test]
    fn values_that_terraform_takes_are_taken() {
        for (before, after) in [
            ("name: tidegate-staging", "name: abc"),
            ("name: tidegate-staging", "name: a123456789-123456789-1234567890"),
            ("region: eu-west-1", "region: us-gov-east-1"),
            ("architecture: arm64", "architecture: x86_64"),
            ("memory_mb: 256", "memory_mb: 128"),
            ("memory_mb: 256", "memory_mb: 10240"),
            ("timeout_s: 10", "timeout_s: 29"),
            ("timeout_s: 300, concurrency: 2", "timeout_s: 900, concurrency: 2"),
            ("concurrency: 2, provisioned: 0", "concurrency: 2, provisioned: 2"),
            ("concurrency: null, provisioned: 0", "concurrency: null, provisioned: 9"),
            ("log_days: 14", "log_days: 3653"),
            ("requests_per_second: 50", "requests_per_second: 0.5"),
            ("domains: []", "domains: [{name: api.example.com, certificate_arn: 'arn:aws-cn:acm:eu-west-1:1:c/1'}]"),
            ("domains: []", "domains: [{name: a.b.io, certificate_arn: 'arn:aws:acm:eu-west-1:1:c/1', zone_id: Z1}]"),
            ("origins: []", "origins: ['https://app.example.com', 'https://x.example:8443', 'http://localhost:3000']"),
            ("max_age_s: 600", "max_age_s: 86400"),
            ("jwt: null", "jwt: {issuer: 'http://127.0.0.1:1', audience: [a]}"),
            ("streaming: []", "streaming: [execute, mcp]"),
            ("network: null", "network: {cidr: 10.20.0.0/22, nat: true}"),
            ("network: null", "network: {subnets: [subnet-1], security_groups: [sg-1]}"),
            ("rate(1 day)", "cron(0 3 * * ? *)"),
            ("alarm_emails: []", "alarm_emails: [ops@example.com]"),
        ] {
            let text = read("staging.yaml");
            assert!(text.contains(before), "{before}");
            assert_eq!(refusals(&text.replacen(before, after, 1), "staging"), [""; 0], "{after}");
        }
    }

    #[test]
    fn values_that_terraform_refuses_are_named_with_their_key() {
        let domain = |name: &str, certificate: &str| {
            format!("domains: [{{name: {name}, certificate_arn: 'arn:aws:acm:{certificate}:1:certificate/1'}}]")
        };
        let no_host = domain("example", "eu-west-1");
        let capital = domain("API.example.com", "eu-west-1");
        let elsewhere = domain("api.example.com", "us-east-1");
        let twice = "domains: [{name: a.io, certificate_arn: 'arn:aws:acm:eu-west-1:1:1'}, \
                     {name: a.io, certificate_arn: 'arn:aws:acm:eu-west-1:1:2'}]";
        for (before, after, place) in [
            ("name: tidegate-staging", "name: Tidegate", "deploy.name"),
            ("name: tidegate-staging", "name: ab", "deploy.name"),
            ("name: tidegate-staging", "name: a123456789-123456789-12345678901", "deploy.name"),
            ("name: tidegate-staging", "name: 1tidegate", "deploy.name"),
            ("region: eu-west-1", "region: europe", "deploy.region"),
            ("region: eu-west-1", "region: eur-west-1", "deploy.region"),
            ("region: eu-west-1", "region: eu-west-12", "deploy.region"),
            ("region: eu-west-1", "region: eu-1", "deploy.region"),
            ("architecture: arm64", "architecture: arm", "architecture"),
            ("memory_mb: 256", "memory_mb: 127", "deploy.functions.auth.memory_mb"),
            ("memory_mb: 256", "memory_mb: 10241", "deploy.functions.auth.memory_mb"),
            ("memory_mb: 256", "memory_mb: 256.5", "memory_mb"),
            ("timeout_s: 10", "timeout_s: 30", "deploy.functions.auth.timeout_s"),
            ("timeout_s: 10", "timeout_s: 0", "deploy.functions.auth.timeout_s"),
            ("timeout_s: 300", "timeout_s: 901", "deploy.functions.sync.timeout_s"),
            ("concurrency: 2", "concurrency: 0", "deploy.functions.sync.concurrency"),
            ("concurrency: 2, provisioned: 0", "concurrency: 2, provisioned: 3", "deploy.functions.sync.provisioned"),
            ("p95_ms: 500", "p95_ms: 0", "deploy.functions.auth.p95_ms"),
            ("p95_ms: 500", "p95_ms: 10001", "deploy.functions.auth.p95_ms"),
            ("concurrency: null, ", "", "concurrency"),
            ("provisioned: 0, ", "", "provisioned"),
            ("mcp: {memory_mb", "mpc: {memory_mb", "mpc"),
            ("log_days: 14", "log_days: 15", "deploy.log_days"),
            ("log_days: 14", "log_dayz: 14", "log_dayz"),
            ("requests_per_second: 50", "requests_per_second: 0", "deploy.gateway.requests_per_second"),
            ("burst: 100", "burst: 0", "deploy.gateway.burst"),
            ("burst: 100", "burst: 1.5", "burst"),
            ("default_endpoint: true", "default_endpoint: false", "deploy.gateway.default_endpoint"),
            ("domains: []", &no_host, "deploy.gateway.domains[0].name"),
            ("domains: []", &capital, "deploy.gateway.domains[0].name"),
            ("domains: []", &elsewhere, "deploy.gateway.domains[0].certificate_arn"),
            ("domains: []", twice, "deploy.gateway.domains[1].name"),
            ("    domains: []\n", "", "domains"),
            ("origins: []", "origins: ['*']", "deploy.gateway.cors.origins[0]"),
            ("origins: []", "origins: ['http://example.com']", "deploy.gateway.cors.origins[0]"),
            ("origins: []", "origins: ['https://example.com/']", "deploy.gateway.cors.origins[0]"),
            ("origins: []", "origins: ['https://Example.com']", "deploy.gateway.cors.origins[0]"),
            ("origins: []", "origins: ['https://a:b']", "deploy.gateway.cors.origins[0]"),
            ("max_age_s: 600", "max_age_s: 86401", "deploy.gateway.cors.max_age_s"),
            ("jwt: null", "jwt: {issuer: 'id.example.com', audience: [a]}", "deploy.gateway.jwt.issuer"),
            ("jwt: null", "jwt: {issuer: 'https://id.example.com', audience: []}", "deploy.gateway.jwt.audience"),
            ("    jwt: null\n", "", "jwt"),
            ("streaming: []", "streaming: [auth]", "auth"),
            ("  streaming: []\n", "", "streaming"),
            ("network: null", "network: {subnets: [subnet-1]}", "deploy.network"),
            ("network: null", "network: {security_groups: [sg-1], cidr: 10.0.0.0/16}", "deploy.network"),
            ("network: null", "network: {}", "deploy.network"),
            ("network: null", "network: {cidr: 10.0.0.0/24}", "deploy.network.cidr"),
            ("network: null", "network: {cidr: 'fd00::/16'}", "deploy.network.cidr"),
            ("network: null", "network: {cidr: 10.0.0/16}", "deploy.network.cidr"),
            ("  network: null\n", "", "network"),
            ("rate(1 day)", "daily", "deploy.schedules.purge"),
            ("rate(1 day)", "rate()", "deploy.schedules.purge"),
            ("purge: rate", "Purge: rate", "deploy.schedules.Purge"),
            ("alarm_emails: []", "alarm_emails: [nobody]", "deploy.alarm_emails[0]"),
            ("alarm_emails: []", "alarm_emails: [a@b]", "deploy.alarm_emails[0]"),
            ("  alarm_emails: []\n", "", "alarm_emails"),
            ("  tags: {project: tidegate, environment: staging}\n", "", "tags"),
        ] {
            let text = read("staging.yaml");
            assert!(text.contains(before), "{before}");
            let refusals = refusals(&text.replacen(before, after, 1), "staging");
            assert!(refusals.first().is_some_and(|first| first.contains(place)), "{after}: {refusals:?}");
        }
        assert_eq!(refusals(&read("staging.yaml"), "production"), ["deploy.protected"]);
    }
}
