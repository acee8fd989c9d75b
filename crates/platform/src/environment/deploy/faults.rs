//! What is wrong with the values of a deployment. `infra/modules/environment` checks the same.

use std::{net::Ipv4Addr, ops::RangeInclusive};

use tidegate_core::error::Fault;

use super::{Deploy, Otlp};

/// The retentions that CloudWatch Logs knows, in days (CloudWatch Logs API, `PutRetentionPolicy`).
const LOG_DAYS: [u16; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// The longest that a function behind the gateway may take, in seconds: the gateway waits for 30.
const GATEWAY_LIMIT_S: u16 = 29;
/// Where CloudFront has its certificates (CloudFront Developer Guide, "Requirements for using SSL/TLS certificates").
const CLOUDFRONT_REGION: &str = "us-east-1";
/// What AWS WAF can count to for one address (AWS WAF Developer Guide, "Rate-based rule high-level settings").
const RATE_LIMITS: RangeInclusive<u32> = 10..=2_000_000_000;
/// The longest that any function may take, in seconds (AWS Lambda quotas).
const LAMBDA_LIMIT_S: u16 = 900;
/// The most layers of a function (AWS Lambda quotas).
const MOST_LAYERS: usize = 5;
/// The most topics of an alarm (CloudWatch API, `PutMetricAlarm`: five actions) beside the deployment's own.
const MOST_TOPICS: usize = 4;

impl Deploy {
    /// What is wrong with the values, each with its key in the file.
    pub(in crate::environment) fn faults(&self) -> Vec<Fault> {
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
        if let Some(Otlp { endpoint, layers, collector_config }) = &self.tracing.otlp {
            let message = "an address without user, query or fragment, such as http://localhost:4318";
            expect(is_collector(endpoint), "tracing.otlp.endpoint", message);
            expect(layers.len() <= MOST_LAYERS, "tracing.otlp.layers", "5 at most");
            for (index, layer) in layers.iter().enumerate() {
                let place = format!("tracing.otlp.layers[{index}]");
                expect(is_layer(layer, &self.region), &place, "the ARN of a version of a layer in the same region");
            }
            let is_file = collector_config.as_deref().is_none_or(|path| is_of_layer(path) && !layers.is_empty());
            let message = "a file of one of the layers, such as /opt/collector.yaml, or null";
            expect(is_file, "tracing.otlp.collector_config", message);
        }
        let gateway = &self.gateway;
        for (index, domain) in gateway.domains.iter().enumerate() {
            let place = |key: &str| format!("gateway.domains[{index}].{key}");
            expect(is_host(&domain.name), &place("name"), "a lower-case host name, such as api.example.com");
            let is_first = gateway.domains.iter().take(index).all(|before| before.name != domain.name);
            expect(is_first, &place("name"), "a name that no other domain has");
            let (region, message) = match &self.firewall {
                None => (&*self.region, "the ARN of an ACM certificate of the same region"),
                Some(_) => (CLOUDFRONT_REGION, "with a firewall the ARN of an ACM certificate of us-east-1"),
            };
            expect(is_certificate(&domain.certificate_arn, region), &place("certificate_arn"), message);
            let is_shared = gateway.domains.first().is_none_or(|it| it.certificate_arn == domain.certificate_arn);
            let message = "with a firewall the same for every domain: one certificate that has all their names";
            expect(is_shared || self.firewall.is_none(), &place("certificate_arn"), message);
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
            let has_no_pages = gateway.cors.origins.is_empty();
            expect(has_no_pages, "gateway.cors.origins", "none with a jwt: browsers ask beforehand without a token");
        }
        if let Some(firewall) = &self.firewall {
            let is_known = RATE_LIMITS.contains(&firewall.requests_per_5_minutes);
            expect(is_known, "firewall.requests_per_5_minutes", "10 to 2000000000");
            let is_global = !["cn-", "us-gov-"].iter().any(|partition| self.region.starts_with(partition));
            expect(is_global, "firewall", "null in this region, which CloudFront's firewall is not for");
            let is_reached = gateway.default_endpoint;
            expect(is_reached, "gateway.default_endpoint", "true with a firewall, which calls the gateway by it");
            expect(self.streaming.is_empty(), "streaming", "[] with a firewall, which the URLs would go around");
        }
        if let Some(network) = &self.network {
            let is_one = network.cidr.is_some() == network.subnets.is_empty();
            expect(is_one, "network", "either a cidr to make a network of, or the subnets of one that exists");
            let is_pair = network.subnets.is_empty() == network.security_groups.is_empty();
            expect(is_pair, "network", "one with both subnets and security_groups, or none of them");
            let has_room = network.cidr.as_deref().is_none_or(is_block);
            expect(has_room, "network.cidr", "a block of /16 to /22, such as 10.20.0.0/16");
        }
        if let Some(cache) = &self.cache {
            let has_network = self.network.as_ref().is_some_and(|it| it.cidr.is_some() || it.subnets.len() >= 2);
            expect(has_network, "cache", "null without a network of two subnets or more");
            expect((1..=5000).contains(&cache.storage_gb), "cache.storage_gb", "1 to 5000");
            let is_known = (1000..=15_000_000).contains(&cache.ecpu_per_second);
            expect(is_known, "cache.ecpu_per_second", "1000 to 15000000");
        }
        for (task, rate) in &self.schedules {
            let place = format!("schedules.{}", task.as_str());
            let message = "rate(15 minutes), in minutes, hours or days, or cron(0 3 * * ? *), of six fields";
            expect(is_rate(rate), &place, message);
        }
        for (index, email) in self.alarm_emails.iter().enumerate() {
            expect(is_email(email), &format!("alarm_emails[{index}]"), "an e-mail address");
        }
        expect(self.alarm_topics.len() <= MOST_TOPICS, "alarm_topics", "4 at most");
        for (index, topic) in self.alarm_topics.iter().enumerate() {
            let message = "the ARN of an SNS topic in the same region: arn:aws:sns:REGION:ACCOUNT:NAME";
            expect(is_topic(topic, &self.region), &format!("alarm_topics[{index}]"), message);
        }
        faults
    }
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

fn is_collector(text: &str) -> bool {
    let place = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    place.is_some_and(|place| {
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let is_plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || ".-".contains(it);
        let is_port = !port.is_empty() && port.chars().all(|it| it.is_ascii_digit());
        let is_path = path.chars().all(|it| it.is_ascii_alphanumeric() || "/._-".contains(it));
        !host.is_empty() && host.chars().all(is_plain) && is_port && is_path
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_digit())
}

/// The name of a layer or a topic.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it))
}

/// Whether an ARN is of a partition, and of what this service has in a region and an account. What it has follows.
fn of_service<'a>(arn: &'a str, service: &str, region: &str) -> Option<Vec<&'a str>> {
    let parts: Vec<_> = arn.strip_prefix("arn:aws")?.split(':').collect();
    let [partition, of_service, of_region, account, ref rest @ ..] = *parts else { return None };
    let is_partition = partition.chars().all(|it| it.is_ascii_lowercase() || it == '-');
    let is_account = account.len() == 12 && is_number(account);
    (is_partition && of_service == service && of_region == region && is_account).then(|| rest.to_vec())
}

fn is_layer(arn: &str, region: &str) -> bool {
    of_service(arn, "lambda", region)
        .is_some_and(|rest| matches!(*rest, ["layer", name, version] if is_word(name) && is_number(version)))
}

fn is_topic(arn: &str, region: &str) -> bool {
    of_service(arn, "sns", region).is_some_and(|rest| matches!(*rest, [name] if is_word(name) && name.len() <= 256))
}

fn is_of_layer(path: &str) -> bool {
    let file = path.strip_prefix("/opt/");
    file.is_some_and(|it| !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric() || "/._-".contains(it)))
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

/// Whether this is when something runs (EventBridge Scheduler User Guide, "Schedule types").
fn is_rate(text: &str) -> bool {
    let inside = |kind| text.strip_prefix(kind).and_then(|it: &str| it.strip_suffix(')'));
    let is_rate = inside("rate(").and_then(|it| it.split_once(' ')).is_some_and(|(number, unit)| {
        is_number(number)
            && !number.starts_with('0')
            && ["minute", "hour", "day"].contains(&unit.strip_suffix('s').unwrap_or(unit))
    });
    let is_cron = inside("cron(").is_some_and(|it| {
        it.split(' ').count() == 6 && it.split(' ').all(|field| !field.is_empty() && !field.contains(['(', ')']))
    });
    is_rate || is_cron
}

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else { return false };
    let has_dot = host.rsplit_once('.').is_some_and(|(name, top)| !name.is_empty() && !top.is_empty());
    !user.is_empty() && has_dot && !host.contains('@') && !text.contains(' ')
}
