//! What Terraform builds of a deployment. `infra/modules/environment` checks the same.

mod faults;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use tidegate_core::task::Task;
use utoipa::ToSchema;

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
    /// What records the calls of the functions.
    pub tracing: Tracing,
    /// The gateway.
    pub gateway: Gateway,
    /// A firewall before the gateway; none for a gateway that callers reach directly.
    #[serde(deserialize_with = "required")]
    #[schema(required)]
    pub firewall: Option<Firewall>,
    /// The functions that also have a URL which streams.
    pub streaming: Vec<Streaming>,
    /// The network that the functions reach databases through; none for the internet.
    #[serde(deserialize_with = "required")]
    #[schema(required)]
    pub network: Option<Network>,
    /// A cache that the functions share; none until something reads it.
    #[serde(deserialize_with = "required")]
    #[schema(required)]
    pub cache: Option<Cache>,
    /// When each task of `sync` runs.
    pub schedules: BTreeMap<Task, String>,
    /// The e-mail addresses that are told of alarms.
    pub alarm_emails: Vec<String>,
    /// The SNS topics in the same region that are told of alarms too, by ARN.
    #[serde(default)]
    #[schema(max_items = 4)]
    pub alarm_topics: Vec<String>,
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

/// What records the calls of the functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tracing {
    /// Whether AWS X-Ray does.
    pub x_ray: bool,
    /// The collector that the functions send spans to; none when they make none.
    #[serde(deserialize_with = "required")]
    #[schema(required)]
    pub otlp: Option<Otlp>,
}

/// A collector of spans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Its address without a signal's path: `http://localhost:4318` for one that a layer brings.
    #[schema(example = "http://localhost:4318")]
    pub endpoint: String,
    /// The Lambda layers that every function has, such as one with a collector, by ARN.
    #[schema(max_items = 5)]
    pub layers: Vec<String>,
    /// The file of a layer with the configuration of its collector; none for the collector's own.
    #[serde(default)]
    pub collector_config: Option<String>,
}

/// The gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The names it answers to, beside its own.
    pub domains: Vec<Domain>,
    /// Whether it answers to its own name; a firewall calls it by that.
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
    /// Its certificate, in the same region; with a firewall in us-east-1, and the same for every name.
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

/// A distribution of CloudFront with a web ACL of AWS WAF, which callers go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// The most calls in five minutes from one address.
    #[schema(minimum = 10, maximum = 2_000_000_000)]
    pub requests_per_5_minutes: u32,
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

/// A cache, and what it may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The most that it holds, in GB.
    #[schema(minimum = 1, maximum = 5000)]
    pub storage_gb: u32,
    /// The most ElastiCache processing units a second; a read or write of up to 1 KB is one.
    #[schema(minimum = 1000, maximum = 15_000_000)]
    pub ecpu_per_second: u32,
}

/// Reads a value that may be null. Serde takes a missing key for null unless it is told how to read the value.
fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer)
}
