//! The environments of the repository, and values that are right and wrong.

use std::path::Path;

use tidegate_core::task::Task;

use crate::Environment;

fn read(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/environments");
    std::fs::read_to_string(Path::new(folder).join(name)).unwrap()
}

/// Neither a network nor a cache, as the files have it.
const NOTHING: &str = "network: null\n  cache: null";

/// Traces as the file has them.
const NO_TRACES: &str = "tracing: {x_ray: true, otlp: null}";

const LAYER: &str = "'arn:aws:lambda:eu-west-1:111122223333:layer:collector:2'";

/// Traces that go to a collector.
fn collector(endpoint: &str, layers: &str, config: &str) -> String {
    format!(
        "tracing: {{x_ray: true, otlp: {{endpoint: '{endpoint}', layers: [{layers}], collector_config: {config}}}}}"
    )
}

/// The topic of a pager.
const PAGER: &str = "arn:aws:sns:eu-west-1:111122223333:pager";

/// Alarms that these topics are told of.
fn alarms(topics: &[&str]) -> String {
    format!("alarm_emails: []\n  alarm_topics: ['{}']", topics.join("','"))
}

/// What is said about a text: the fault of its form, or the keys of the values that are wrong.
fn refusals(text: &str, name: &str) -> Vec<String> {
    match serde_saphyr::from_str::<Environment>(text) {
        Ok(environment) => environment.faults(name).into_iter().filter_map(|fault| fault.field).collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn the_environments_of_the_repository_are_right() {
    for name in ["local", "staging", "production", "../../localstack/everything"] {
        let text = read(&format!("{name}.yaml"));
        assert_eq!(refusals(&text, name), [""; 0]);
        assert!(serde_saphyr::from_str::<Environment>(&text).unwrap().deploy.is_some(), "{name}");
    }
}

// The same values as in `infra/tests/environment.tftest.hcl`.
#[test]
fn values_that_terraform_takes_are_taken() {
    let layers: Vec<_> =
        (0..5).map(|n| format!("'arn:aws-us-gov:lambda:eu-west-1:111122223333:layer:the_collector-{n}:2'")).collect();
    let with_layers = collector("http://localhost:4318", &layers.join(","), "/opt/collector.yaml");
    for (before, after) in [
        ("name: tidegate-staging", "name: abc"),
        ("name: tidegate-staging", "name: a123456789-123456789-1234567890"),
        ("region: eu-west-1", "region: us-gov-east-1"),
        ("architecture: arm64", "architecture: x86_64"),
        ("memory_mb: 256", "memory_mb: 128"),
        ("memory_mb: 256", "memory_mb: 10240"),
        ("timeout_s: 10", "timeout_s: 29"),
        ("timeout_s: 300, concurrency: 8", "timeout_s: 900, concurrency: 8"),
        ("concurrency: 8, provisioned: 0", "concurrency: 8, provisioned: 8"),
        ("concurrency: null, provisioned: 0", "concurrency: null, provisioned: 9"),
        ("log_days: 14", "log_days: 3653"),
        (NO_TRACES, "tracing: {x_ray: false, otlp: {endpoint: 'https://otel.example.com:8443/a/b', layers: []}}"),
        (NO_TRACES, &with_layers),
        ("requests_per_second: 50", "requests_per_second: 0.5"),
        ("domains: []", "domains: [{name: api.example.com, certificate_arn: 'arn:aws-cn:acm:eu-west-1:1:c/1'}]"),
        ("domains: []", "domains: [{name: a.b.io, certificate_arn: 'arn:aws:acm:eu-west-1:1:c/1', zone_id: Z1}]"),
        ("origins: []", "origins: ['https://app.example.com', 'https://x.example:8443', 'http://localhost:3000']"),
        ("max_age_s: 600", "max_age_s: 86400"),
        ("jwt: null", "jwt: {issuer: 'http://127.0.0.1:1', audience: [a]}"),
        ("firewall: null", "firewall: {requests_per_5_minutes: 10}"),
        ("firewall: null", "firewall: {requests_per_5_minutes: 2000000000}"),
        ("streaming: []", "streaming: [execute, mcp]"),
        ("network: null", "network: {cidr: 10.20.0.0/22, nat: true}"),
        ("network: null", "network: {subnets: [subnet-1], security_groups: [sg-1]}"),
        (NOTHING, "network: {cidr: 10.20.0.0/16}\n  cache: {storage_gb: 1, ecpu_per_second: 1000}"),
        (
            NOTHING,
            "network: {subnets: [a, b], security_groups: [c]}\n  cache: {storage_gb: 5000, ecpu_per_second: 15000000}",
        ),
        ("rate(1 day)", "cron(0 3 * * ? *)"),
        ("rate(1 day)", "rate(20 minutes)"),
        ("alarm_emails: []", "alarm_emails: [ops@example.com]"),
        ("alarm_emails: []", &alarms(&[PAGER; 4])),
        ("alarm_emails: []", &alarms(&["arn:aws-cn:sns:eu-west-1:444455556666:On_Call-2"])),
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
    let six_layers = collector("http://localhost:4318", &[LAYER; 6].join(","), "null");
    let layer_at = |rest: &str| collector("http://localhost:4318", &format!("'arn:aws:lambda:{rest}'"), "null");
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
        ("concurrency: 8", "concurrency: 0", "deploy.functions.sync.concurrency"),
        ("concurrency: 8, provisioned: 0", "concurrency: 8, provisioned: 9", "deploy.functions.sync.provisioned"),
        ("p95_ms: 500", "p95_ms: 0", "deploy.functions.auth.p95_ms"),
        ("p95_ms: 500", "p95_ms: 10001", "deploy.functions.auth.p95_ms"),
        ("concurrency: null, ", "", "concurrency"),
        ("provisioned: 0, ", "", "provisioned"),
        ("mcp: {memory_mb", "mpc: {memory_mb", "mpc"),
        ("log_days: 14", "log_days: 15", "deploy.log_days"),
        ("log_days: 14", "log_dayz: 14", "log_dayz"),
        (NO_TRACES, "tracing: true", "tracing"),
        (NO_TRACES, "tracing: {x_ray: true}", "otlp"),
        (NO_TRACES, "tracing: {x_ray: true, otlp: {endpoint: 'http://localhost:4318'}}", "layers"),
        (NO_TRACES, &collector("localhost:4318", "", "null"), "deploy.tracing.otlp.endpoint"),
        (NO_TRACES, &collector("https://", "", "null"), "deploy.tracing.otlp.endpoint"),
        (NO_TRACES, &collector("https://token@example.com", "", "null"), "deploy.tracing.otlp.endpoint"),
        (NO_TRACES, &collector("https://example.com/?token=1", "", "null"), "deploy.tracing.otlp.endpoint"),
        (NO_TRACES, &collector("http://localhost:", "", "null"), "deploy.tracing.otlp.endpoint"),
        (NO_TRACES, &six_layers, "deploy.tracing.otlp.layers"),
        (NO_TRACES, &layer_at("us-east-1:111122223333:layer:collector:2"), "deploy.tracing.otlp.layers[0]"),
        (NO_TRACES, &layer_at("eu-west-1:111122223333:layer:collector"), "deploy.tracing.otlp.layers[0]"),
        (NO_TRACES, &layer_at("eu-west-1:111122223333:function:collector:2"), "deploy.tracing.otlp.layers[0]"),
        (NO_TRACES, &layer_at("eu-west-1:1:layer:collector:2"), "deploy.tracing.otlp.layers[0]"),
        (
            NO_TRACES,
            &collector("http://localhost:4318", "", "/opt/collector.yaml"),
            "deploy.tracing.otlp.collector_config",
        ),
        (
            NO_TRACES,
            &collector("http://localhost:4318", LAYER, "s3://bucket/collector.yaml"),
            "deploy.tracing.otlp.collector_config",
        ),
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
        ("firewall: null", "firewall: {requests_per_5_minutes: 9}", "deploy.firewall.requests_per_5_minutes"),
        ("firewall: null", "firewall: {requests_per_5_minutes: 2000000001}", "deploy.firewall.requests_per_5_minutes"),
        ("firewall: null", "firewall: {requests_per_5_minutes: 10.5}", "requests_per_5_minutes"),
        ("firewall: null", "firewall: {}", "requests_per_5_minutes"),
        ("firewall: null", "firewall: {requests_per_5_minutes: 10, allow: []}", "allow"),
        ("  firewall: null\n", "", "firewall"),
        ("streaming: []", "streaming: [auth]", "auth"),
        ("  streaming: []\n", "", "streaming"),
        ("network: null", "network: {subnets: [subnet-1]}", "deploy.network"),
        ("network: null", "network: {security_groups: [sg-1], cidr: 10.0.0.0/16}", "deploy.network"),
        ("network: null", "network: {}", "deploy.network"),
        ("network: null", "network: {cidr: 10.0.0.0/24}", "deploy.network.cidr"),
        ("network: null", "network: {cidr: 'fd00::/16'}", "deploy.network.cidr"),
        ("network: null", "network: {cidr: 10.0.0/16}", "deploy.network.cidr"),
        ("cache: null", "cache: {storage_gb: 1, ecpu_per_second: 1000}", "deploy.cache"),
        (
            NOTHING,
            "network: {subnets: [a], security_groups: [b]}\n  cache: {storage_gb: 1, ecpu_per_second: 1000}",
            "deploy.cache",
        ),
        (
            NOTHING,
            "network: {cidr: 10.0.0.0/16}\n  cache: {storage_gb: 0, ecpu_per_second: 1000}",
            "deploy.cache.storage_gb",
        ),
        (
            NOTHING,
            "network: {cidr: 10.0.0.0/16}\n  cache: {storage_gb: 5001, ecpu_per_second: 1000}",
            "deploy.cache.storage_gb",
        ),
        (
            NOTHING,
            "network: {cidr: 10.0.0.0/16}\n  cache: {storage_gb: 1, ecpu_per_second: 999}",
            "deploy.cache.ecpu_per_second",
        ),
        (
            NOTHING,
            "network: {cidr: 10.0.0.0/16}\n  cache: {storage_gb: 1, ecpu_per_second: 15000001}",
            "deploy.cache.ecpu_per_second",
        ),
        (
            "cors: {origins: [], max_age_s: 600}\n    jwt: null",
            "cors: {origins: ['https://a.io'], max_age_s: 600}\n    jwt: {issuer: 'https://b.io', audience: [c]}",
            "deploy.gateway.cors.origins",
        ),
        ("  network: null\n", "", "network"),
        ("rate(1 day)", "daily", "deploy.schedules.purge"),
        ("rate(1 day)", "rate()", "deploy.schedules.purge"),
        ("rate(1 day)", "rate(0 days)", "deploy.schedules.purge"),
        ("rate(1 day)", "rate(2 weeks)", "deploy.schedules.purge"),
        ("rate(1 day)", "cron(0 3 * * *)", "deploy.schedules.purge"),
        ("rate(1 day)", "cron(0 3 * *  *)", "deploy.schedules.purge"),
        ("purge: rate", "Purge: rate", "Purge"),
        ("purge: rate", "purges: rate", "purges"),
        ("alarm_emails: []", "alarm_emails: [nobody]", "deploy.alarm_emails[0]"),
        ("alarm_emails: []", "alarm_emails: [a@b]", "deploy.alarm_emails[0]"),
        ("  alarm_emails: []\n", "", "alarm_emails"),
        ("alarm_emails: []", &alarms(&[PAGER; 5]), "deploy.alarm_topics"),
        ("alarm_emails: []", &alarms(&[PAGER, "ops@example.com"]), "deploy.alarm_topics[1]"),
        ("alarm_emails: []", &alarms(&["arn:aws:sns:us-east-1:111122223333:pager"]), "deploy.alarm_topics[0]"),
        ("alarm_emails: []", &alarms(&["arn:aws:sqs:eu-west-1:111122223333:pager"]), "deploy.alarm_topics[0]"),
        ("alarm_emails: []", &alarms(&["arn:aws:sns:eu-west-1:1111:pager"]), "deploy.alarm_topics[0]"),
        ("alarm_emails: []", &alarms(&["arn:aws:sns:eu-west-1:111122223333:"]), "deploy.alarm_topics[0]"),
        ("alarm_emails: []", &alarms(&["arn:aws:sns:eu-west-1:111122223333:pager:1"]), "deploy.alarm_topics[0]"),
        ("alarm_emails: []", "alarm_emails: []\n  alarm_topicks: []", "alarm_topicks"),
        ("  tags: {project: tidegate, environment: staging}\n", "", "tags"),
    ] {
        let text = read("staging.yaml");
        assert!(text.contains(before), "{before}");
        let refusals = refusals(&text.replacen(before, after, 1), "staging");
        assert!(refusals.first().is_some_and(|first| first.contains(place)), "{after}: {refusals:?}");
    }
    assert_eq!(refusals(&read("staging.yaml"), "production"), ["deploy.protected"]);
}

#[test]
fn a_firewall_stands_before_the_gateway_and_nothing_goes_around_it() {
    let behind = read("staging.yaml").replace("firewall: null", "firewall: {requests_per_5_minutes: 2000}");
    let domains = |certificates: [&str; 2]| {
        let [first, second] = certificates.map(|it| format!("certificate_arn: 'arn:aws:acm:{it}'"));
        format!("domains: [{{name: a.io, {first}}}, {{name: b.io, {second}}}]")
    };
    let shared = domains(["us-east-1:1:c/1", "us-east-1:1:c/1"]);
    let regional = domains(["eu-west-1:1:c/1", "eu-west-1:1:c/1"]);
    let several = domains(["us-east-1:1:c/1", "us-east-1:1:c/2"]);
    let unreachable = format!("{shared}\n    default_endpoint: false");
    let place = |index: usize| format!("deploy.gateway.domains[{index}].certificate_arn");
    for (before, after, expected) in [
        ("domains: []", &*shared, vec![]),
        ("caller_networks: {allow: []}", "caller_networks: {allow: [0.0.0.0/1, '2001:db8::/32']}", vec![]),
        ("domains: []", &regional, vec![place(0), place(1)]),
        ("domains: []", &several, vec![place(1)]),
        ("domains: []\n    default_endpoint: true", &unreachable, vec!["deploy.gateway.default_endpoint".to_owned()]),
        ("streaming: []", "streaming: [mcp]", vec!["deploy.streaming".to_owned()]),
        ("region: eu-west-1", "region: us-gov-west-1", vec!["deploy.firewall".to_owned()]),
        ("region: eu-west-1", "region: cn-north-1", vec!["deploy.firewall".to_owned()]),
        (
            "caller_networks: {allow: []}",
            "caller_networks: {allow: [10.0.0.0/8, 0.0.0.0/0]}",
            vec!["caller_networks.allow".to_owned()],
        ),
    ] {
        assert!(behind.contains(before), "{before}");
        assert_eq!(refusals(&behind.replacen(before, after, 1), "staging"), expected, "{after}");
    }
    // Without one, every range can be written.
    let everywhere = read("staging.yaml").replace("caller_networks: {allow: []}", "caller_networks: {allow: ['::/0']}");
    assert_eq!(refusals(&everywhere, "staging"), [""; 0]);
}

#[test]
fn terraform_knows_the_same_tasks() {
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/modules/environment/variables.tf");
    let module = std::fs::read_to_string(module).unwrap();
    let tasks = Task::ALL.map(|task| format!("\"{}\"", task.as_str())).join(", ");
    assert!(module.contains(&format!("contains([{tasks}], task)")), "{tasks}");
}
