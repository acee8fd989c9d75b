# The firewall: who comes through, how, and that there is no way around it.
mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                   = "tidegate"
  gateway                = "the-api.execute-api.eu-west-1.amazonaws.com"
  domains                = []
  callers                = []
  requests_per_5_minutes = 2000
}

run "no_environment_has_one" {
  command = plan

  variables {
    environment = "production"
  }

  assert {
    condition     = length(module.firewall) == 0 && local.settings_of_firewall == {}
    error_message = "There is a firewall, though the file has none."
  }

  assert {
    condition     = local.settings.caller_networks.allow == [] && length(module.environment.callers) == 0
    error_message = "Some addresses only are answered."
  }
}

run "the_rules" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  assert {
    condition     = aws_wafv2_web_acl.this.scope == "CLOUDFRONT" && length(aws_wafv2_web_acl.this.default_action[0].allow) == 1
    error_message = "It is not for a distribution, or lets nobody through."
  }

  assert {
    condition     = { for rule in aws_wafv2_web_acl.this.rule : rule.priority => rule.name } == { 1 = "rate", 2 = "reputation", 3 = "known-bad-inputs" }
    error_message = jsonencode({ for rule in aws_wafv2_web_acl.this.rule : rule.priority => rule.name })
  }

  assert {
    condition     = [for rule in aws_wafv2_web_acl.this.rule : [for it in rule.statement[0].rate_based_statement : [it.limit, it.aggregate_key_type, it.evaluation_window_sec]] if rule.name == "rate"] == [[[2000, "IP", 300]]]
    error_message = "An address may call more often."
  }

  # Others would refuse SQL and templates.
  assert {
    condition     = toset(flatten([for rule in aws_wafv2_web_acl.this.rule : rule.statement[0].managed_rule_group_statement[*].name])) == toset(["AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet"])
    error_message = "Other managed rules hold."
  }

  assert {
    condition     = alltrue([for rule in aws_wafv2_web_acl.this.rule : length(rule.statement[0].managed_rule_group_statement) == 0 ? length(rule.action[0].block) == 1 : length(rule.override_action[0].none) == 1])
    error_message = "A rule only counts."
  }

  # A sample of a call holds its API key.
  assert {
    condition     = alltrue([for it in concat(aws_wafv2_web_acl.this.visibility_config, flatten([for rule in aws_wafv2_web_acl.this.rule : rule.visibility_config])) : it.cloudwatch_metrics_enabled && !it.sampled_requests_enabled])
    error_message = "Calls are sampled, or not counted."
  }

  assert {
    condition     = alltrue([for set in aws_wafv2_ip_set.callers : length(set.addresses) == 0]) && output.rules == ["rate", "reputation", "known-bad-inputs"]
    error_message = "Some addresses are refused, or a rule is not on the dashboard."
  }
}

run "some_addresses" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  variables {
    callers = ["198.51.100.0/24", "2001:db8::/32", "203.0.113.7/32", "::ffff:198.51.100.0/120"]
  }

  assert {
    condition     = { for version, set in aws_wafv2_ip_set.callers : version => set.addresses } == { IPV4 = toset(["198.51.100.0/24", "203.0.113.7/32"]), IPV6 = toset(["2001:db8::/32", "::ffff:198.51.100.0/120"]) }
    error_message = jsonencode(aws_wafv2_ip_set.callers)
  }

  assert {
    condition     = alltrue([for set in aws_wafv2_ip_set.callers : set.scope == "CLOUDFRONT" && set.ip_address_version == (strcontains(set.name, "ipv6") ? "IPV6" : "IPV4")])
    error_message = "A set is of another kind than its addresses."
  }

  # First of all, and all that is in neither set.
  assert {
    condition = one([for rule in aws_wafv2_web_acl.this.rule : rule if rule.priority == 0]).name == "callers" && [
      for set in one([for rule in aws_wafv2_web_acl.this.rule : rule if rule.priority == 0]).statement[0].not_statement[0].statement[0].or_statement[0].statement : set.ip_set_reference_statement[0].arn
    ] == [aws_wafv2_ip_set.callers["IPV4"].arn, aws_wafv2_ip_set.callers["IPV6"].arn]
    error_message = "Other addresses come through."
  }

  assert {
    condition     = one([for rule in aws_wafv2_web_acl.this.rule : rule if rule.priority == 0]).action[0].block[0].custom_response[0].response_code == 403
    error_message = "Others are answered something else."
  }
}

run "refusals_are_problems" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  assert {
    condition = { for body in aws_wafv2_web_acl.this.custom_response_body : body.key => [body.content_type, jsondecode(body.content).status, jsondecode(body.content).code] } == {
      forbidden    = ["APPLICATION_JSON", 403, "forbidden"]
      rate_limited = ["APPLICATION_JSON", 429, "rate_limited"]
    }
    error_message = jsonencode(aws_wafv2_web_acl.this.custom_response_body)
  }

  assert {
    condition     = alltrue([for rule in aws_wafv2_web_acl.this.rule : rule.action[0].block[0].custom_response[0].response_code == 429 && one(rule.action[0].block[0].custom_response[0].response_header).name == "retry-after" if rule.name == "rate"])
    error_message = "Who calls too often is not told so."
  }
}

run "the_distribution" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  assert {
    condition     = aws_cloudfront_distribution.this.web_acl_id == aws_wafv2_web_acl.this.arn
    error_message = "Nothing looks at calls."
  }

  assert {
    condition     = one(aws_cloudfront_distribution.this.origin).domain_name == var.gateway && one(aws_cloudfront_distribution.this.origin).custom_origin_config[0].origin_protocol_policy == "https-only" && one(aws_cloudfront_distribution.this.origin).custom_origin_config[0].origin_ssl_protocols == toset(["TLSv1.2"])
    error_message = "The gateway is called in another way."
  }

  assert {
    condition     = one(aws_cloudfront_distribution.this.origin).custom_origin_config[0].origin_read_timeout > 30
    error_message = "CloudFront gives up before the gateway does."
  }

  assert {
    condition     = aws_cloudfront_distribution.this.default_cache_behavior[0].viewer_protocol_policy == "https-only" && length(aws_cloudfront_distribution.this.default_cache_behavior[0].allowed_methods) == 7
    error_message = "A key could be sent in the clear, or a method is missing."
  }

  # CachingDisabled and AllViewerExceptHostHeader.
  assert {
    condition     = aws_cloudfront_distribution.this.default_cache_behavior[0].cache_policy_id == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" && aws_cloudfront_distribution.this.default_cache_behavior[0].origin_request_policy_id == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    error_message = "Answers are kept, or the gateway does not see what callers send."
  }

  # All statuses that CloudFront keeps unless it is told (CloudFront Developer Guide, "HTTP 4xx and 5xx status codes that CloudFront caches").
  assert {
    condition     = { for error in aws_cloudfront_distribution.this.custom_error_response : error.error_code => error.error_caching_min_ttl } == { for code in [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504] : code => 0 }
    error_message = "The error of one caller is answered to another."
  }

  assert {
    condition     = output.urls == ["https://the-distribution.cloudfront.net"] && output.domain_targets == {} && length(aws_route53_record.this) == 0
    error_message = jsonencode(output.urls)
  }

  assert {
    condition     = output.networks == tolist(["130.176.0.0/17", "3.172.0.0/18"])
    error_message = jsonencode(output.networks)
  }
}

run "domains" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  variables {
    domains = [
      { name = "api.example.com", certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1", zone_id = "Z1" },
      { name = "api.example.org", certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1" },
    ]
  }

  assert {
    condition     = aws_cloudfront_distribution.this.aliases == toset(["api.example.com", "api.example.org"])
    error_message = jsonencode(aws_cloudfront_distribution.this.aliases)
  }

  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].acm_certificate_arn == var.domains[0].certificate_arn && aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021" && aws_cloudfront_distribution.this.viewer_certificate[0].ssl_support_method == "sni-only"
    error_message = "It has another certificate, or takes an older TLS."
  }

  assert {
    condition     = output.urls == ["https://api.example.com", "https://api.example.org", "https://the-distribution.cloudfront.net"]
    error_message = jsonencode(output.urls)
  }

  assert {
    condition     = { for record in aws_route53_record.this : "${record.name} ${record.type} in ${record.zone_id}" => record.alias[0].name } == { for type in ["A", "AAAA"] : "api.example.com ${type} in Z1" => "the-distribution.cloudfront.net" } && output.domain_targets == { for domain in var.domains : domain.name => "the-distribution.cloudfront.net" }
    error_message = "A name leads elsewhere."
  }
}

run "one_certificate" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  variables {
    domains = [for i in [1, 2] : { name = "a${i}.example.com", certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/${i}" }]
  }

  expect_failures = [var.domains]
}

run "waf_knows_no_range_of_everything" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  variables {
    callers = ["::/0"]
  }

  expect_failures = [var.callers]
}

run "a_range_is_one" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  variables {
    callers = ["192.0.2.1"]
  }

  expect_failures = [var.callers]
}

# The functions would answer everybody.
run "cloudfront_has_addresses" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  override_data {
    target = data.aws_ec2_managed_prefix_list.cloudfront
    values = { entries = [] }
  }

  expect_failures = [output.networks]
}

run "a_deployment_behind_it" {
  command = plan

  override_module {
    target = module.environment
    outputs = {
      deploy = {
        name         = "tidegate-test"
        region       = "eu-west-1"
        tags         = {}
        protected    = false
        architecture = "arm64"
        functions = {
          auth     = { memory_mb = 256, timeout_s = 10, concurrency = null, provisioned = 0, p95_ms = 500 }
          registry = { memory_mb = 256, timeout_s = 10, concurrency = null, provisioned = 0, p95_ms = 500 }
          execute  = { memory_mb = 256, timeout_s = 10, concurrency = null, provisioned = 0, p95_ms = 500 }
          mcp      = { memory_mb = 256, timeout_s = 10, concurrency = null, provisioned = 0, p95_ms = 500 }
          sync     = { memory_mb = 256, timeout_s = 10, concurrency = null, provisioned = 0, p95_ms = 500 }
        }
        log_days = 14
        tracing  = { x_ray = false, otlp = null }
        gateway = {
          domains             = [{ name = "api.example.com", certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1", zone_id = null }]
          default_endpoint    = true
          requests_per_second = 1
          burst               = 1
          cors                = { origins = [], max_age_s = 0 }
          jwt                 = null
        }
        firewall     = { requests_per_5_minutes = 2000 }
        streaming    = []
        network      = null
        cache        = null
        schedules    = {}
        alarm_emails = []
        alarm_topics = []
      }
      settings = {
        log             = "info"
        budget          = { rows = 1000, bytes = 1048576, cell_bytes = 65536, time_ms = 25000 }
        quotas          = { sources = 100, queries = 1000, servers = 100, keys = 200 }
        history_days    = 90
        cache_seconds   = 5
        source_networks = { allow = [] }
      }
      callers = ["198.51.100.0/24"]
    }
  }

  variables {
    environment = "staging"
  }

  # The addresses that callers may have are for the web ACL; the functions see CloudFront's.
  assert {
    condition     = alltrue([for variables in values(local.variables) : jsondecode(variables.TIDEGATE_CONFIG).caller_networks.allow == ["130.176.0.0/17", "3.172.0.0/18"] && jsondecode(variables.TIDEGATE_CONFIG).log == "info"])
    error_message = local.variables.mcp.TIDEGATE_CONFIG
  }

  assert {
    condition     = module.firewall[0].rules == ["callers", "rate", "reputation", "known-bad-inputs"]
    error_message = "The web ACL is not told which addresses may call."
  }

  # Callers are never told the gateway's own address.
  assert {
    condition     = local.variables.mcp.TIDEGATE_URLS == "https://api.example.com,https://the-distribution.cloudfront.net" && output.urls == ["https://api.example.com", "https://the-distribution.cloudfront.net"]
    error_message = local.variables.mcp.TIDEGATE_URLS
  }

  assert {
    condition     = output.default_url == "https://the-distribution.cloudfront.net" && output.domain_targets == { "api.example.com" = "the-distribution.cloudfront.net" }
    error_message = "What is tried after a deployment, or a DNS record, goes around the firewall."
  }
}
