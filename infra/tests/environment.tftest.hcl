# What is wrong in an environment file is refused before anything is planned. Each case changes one value of a good file.
# crates/platform/src/environment/deploy.rs has the same table for `tidegate config check`.
variables {
  name = "test"
  file = { deploy = { tracing = { otlp = null }, gateway = { cors = {}, jwt = null }, firewall = null, network = null, cache = null, functions = { auth = {}, registry = {}, execute = {}, mcp = {}, sync = {} } } }
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
    log_days     = 14
    tracing      = { x_ray = false, otlp = null }
    gateway      = { domains = [], default_endpoint = true, requests_per_second = 1, burst = 1, cors = { origins = [], max_age_s = 0 }, jwt = null }
    firewall     = null
    streaming    = []
    network      = null
    cache        = null
    schedules    = {}
    alarm_emails = []
  }
}

run "a_good_file_is_taken" {
  command = plan

  module {
    source = "./modules/environment"
  }
}

run "what_is_at_the_edge_is_taken" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = { deploy = merge(var.file.deploy, { gateway = { cors = {}, jwt = null, domains = [{}] }, network = {}, cache = {} }) }
    deploy = merge(var.deploy, {
      name         = "a123456789-123456789-1234567890"
      region       = "us-gov-east-1"
      architecture = "x86_64"
      functions = merge(var.deploy.functions, {
        auth = { memory_mb = 128, timeout_s = 29, concurrency = 2, provisioned = 2, p95_ms = 29000 }
        sync = { memory_mb = 10240, timeout_s = 900, concurrency = null, provisioned = 9, p95_ms = 1 }
      })
      log_days = 3653
      gateway = merge(var.deploy.gateway, {
        domains             = [{ name = "a.b.io", certificate_arn = "arn:aws-us-gov:acm:us-gov-east-1:1:certificate/1", zone_id = "Z1" }]
        default_endpoint    = false
        requests_per_second = 0.5
        cors                = { origins = ["https://app.example.com", "https://x.example:8443", "http://localhost:3000"], max_age_s = 86400 }
      })
      streaming    = ["execute", "mcp"]
      network      = { cidr = "10.20.0.0/22", nat = true }
      cache        = { storage_gb = 5000, ecpu_per_second = 15000000 }
      schedules    = { purge = "cron(0 3 * * ? *)" }
      alarm_emails = ["ops@example.com"]
      alarm_topics = [for name in ["pager", "On_Call-2", "a", format("%0256d", 1)] : "arn:aws-us-gov:sns:us-gov-east-1:111122223333:${name}"]
    })
  }
}

run "a_collector_is_taken" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = { deploy = merge(var.file.deploy, { tracing = { otlp = {} } }) }
    deploy = merge(var.deploy, {
      tracing = { x_ray = true, otlp = {
        endpoint         = "http://localhost:4318"
        layers           = [for i in range(5) : "arn:aws-us-gov:lambda:eu-west-1:111122223333:layer:the_collector-${i}:2"]
        collector_config = "/opt/collector.yaml"
      } }
    })
  }
}

run "a_collector_without_layers_is_taken" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file   = { deploy = merge(var.file.deploy, { tracing = { otlp = {} } }) }
    deploy = merge(var.deploy, { tracing = { x_ray = false, otlp = { endpoint = "https://otel.example.com:8443/a/b", layers = [] } } })
  }
}

run "a_collector_has_an_address" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { tracing = { x_ray = false, otlp = { endpoint = "localhost:4318", layers = [] } } })
  }

  expect_failures = [var.deploy]
}

run "the_address_of_a_collector_holds_no_token" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { tracing = { x_ray = false, otlp = { endpoint = "https://token@example.com", layers = [] } } })
  }

  expect_failures = [var.deploy]
}

run "a_layer_is_in_the_same_region" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { tracing = { x_ray = false, otlp = { endpoint = "http://localhost:4318", layers = ["arn:aws:lambda:us-east-1:111122223333:layer:collector:2"] } } })
  }

  expect_failures = [var.deploy]
}

run "a_function_has_five_layers_at_most" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { tracing = { x_ray = false, otlp = { endpoint = "http://localhost:4318", layers = [for i in range(6) : "arn:aws:lambda:eu-west-1:111122223333:layer:collector:${i}"] } } })
  }

  expect_failures = [var.deploy]
}

run "the_configuration_of_a_collector_is_in_a_layer" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { tracing = { x_ray = false, otlp = { endpoint = "http://localhost:4318", layers = [], collector_config = "/opt/collector.yaml" } } })
  }

  expect_failures = [var.deploy]
}

run "tokens_are_taken_without_pages" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file   = { deploy = merge(var.file.deploy, { gateway = { cors = {}, jwt = {} } }) }
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { jwt = { issuer = "http://127.0.0.1:1", audience = ["a"] } }) })
  }
}

run "tokens_do_not_go_with_pages" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, {
      gateway = merge(var.deploy.gateway, {
        cors = { origins = ["https://app.example.com"], max_age_s = 0 }
        jwt  = { issuer = "https://id.example.com", audience = ["a"] }
      })
    })
  }

  expect_failures = [var.deploy]
}

run "a_name_has_no_capitals" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { name = "Tidegate" })
  }

  expect_failures = [var.deploy]
}

run "a_region_is_a_code" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { region = "Ireland" })
  }

  expect_failures = [var.deploy]
}

run "an_architecture_is_known" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { architecture = "arm" })
  }

  expect_failures = [var.deploy]
}

run "no_function_is_left_out" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = { for name, function in var.deploy.functions : name => function if name != "mcp" } })
  }

  expect_failures = [var.deploy]
}

run "memory_has_a_least" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { auth = merge(var.deploy.functions.auth, { memory_mb = 64 }) }) })
  }

  expect_failures = [var.deploy]
}

run "a_function_ends_before_the_gateway_gives_up" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { mcp = merge(var.deploy.functions.mcp, { timeout_s = 30 }) }) })
  }

  expect_failures = [var.deploy]
}

run "concurrency_is_not_zero" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { auth = merge(var.deploy.functions.auth, { concurrency = 0 }) }) })
  }

  expect_failures = [var.deploy]
}

run "no_more_is_provisioned_than_allowed" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { auth = merge(var.deploy.functions.auth, { concurrency = 1, provisioned = 2 }) }) })
  }

  expect_failures = [var.deploy]
}

run "an_alarm_is_below_the_timeout" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { auth = merge(var.deploy.functions.auth, { p95_ms = 10001 }) }) })
  }

  expect_failures = [var.deploy]
}

run "log_days_are_those_of_cloudwatch" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { log_days = 15 })
  }

  expect_failures = [var.deploy]
}

run "a_domain_has_a_certificate_of_its_region" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { domains = [{ name = "api.example.com", certificate_arn = "arn:aws:acm:us-east-1:1:certificate/1" }] }) })
  }

  expect_failures = [var.deploy]
}

run "a_domain_is_named_once" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { domains = [for i in [1, 2] : { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-west-1:1:certificate/${i}" }] }) })
  }

  expect_failures = [var.deploy]
}

run "some_address_answers" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { default_endpoint = false }) })
  }

  expect_failures = [var.deploy]
}

run "the_gateway_lets_something_through" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { requests_per_second = 0 }) })
  }

  expect_failures = [var.deploy]
}

run "no_wildcard_origin" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { cors = { origins = ["*"], max_age_s = 0 } }) })
  }

  expect_failures = [var.deploy]
}

run "no_plain_http_origin" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { cors = { origins = ["http://example.com"], max_age_s = 0 } }) })
  }

  expect_failures = [var.deploy]
}

run "a_preflight_is_remembered_for_a_day_at_most" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { cors = { origins = [], max_age_s = 86401 } }) })
  }

  expect_failures = [var.deploy]
}

run "tokens_have_an_audience" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { jwt = { issuer = "https://id.example.com", audience = [] } }) })
  }

  expect_failures = [var.deploy]
}

run "only_execute_and_mcp_stream" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { streaming = ["auth"] })
  }

  expect_failures = [var.deploy]
}

run "a_network_is_made_or_given_but_not_both" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { cidr = "10.0.0.0/16", subnets = ["subnet-1"], security_groups = ["sg-1"] } })
  }

  expect_failures = [var.deploy]
}

run "subnets_come_with_security_groups" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { subnets = ["subnet-1"] } })
  }

  expect_failures = [var.deploy]
}

run "a_network_has_room" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { cidr = "10.0.0.0/24" } })
  }

  expect_failures = [var.deploy]
}

run "a_schedule_is_a_rate_or_cron" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { schedules = { purge = "daily" } })
  }

  expect_failures = [var.deploy]
}

run "an_email_is_one" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { alarm_emails = ["ops"] })
  }

  expect_failures = [var.deploy]
}

run "a_topic_is_in_the_same_region" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { alarm_topics = ["arn:aws:sns:us-east-1:111122223333:pager"] })
  }

  expect_failures = [var.deploy]
}

run "an_alarm_tells_five_topics_at_most" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { alarm_topics = [for i in range(5) : "arn:aws:sns:eu-west-1:111122223333:pager-${i}"] })
  }

  expect_failures = [var.deploy]
}

run "a_region_begins_with_two_letters" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { region = "eur-west-1" })
  }

  expect_failures = [var.deploy]
}

run "memory_is_whole" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { auth = merge(var.deploy.functions.auth, { memory_mb = 256.5 }) }) })
  }

  expect_failures = [var.deploy]
}

run "sync_ends_too" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { sync = merge(var.deploy.functions.sync, { timeout_s = 901 }) }) })
  }

  expect_failures = [var.deploy]
}

run "an_alarm_is_whole" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { functions = merge(var.deploy.functions, { auth = merge(var.deploy.functions.auth, { p95_ms = 0.5 }) }) })
  }

  expect_failures = [var.deploy]
}

run "a_domain_is_a_host" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { domains = [{ name = "example", certificate_arn = "arn:aws:acm:eu-west-1:1:certificate/1" }] }) })
  }

  expect_failures = [var.deploy]
}

run "a_burst_is_whole" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { burst = 1.5 }) })
  }

  expect_failures = [var.deploy]
}

run "an_origin_has_no_path" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { cors = { origins = ["https://example.com/"], max_age_s = 0 } }) })
  }

  expect_failures = [var.deploy]
}

run "an_issuer_is_a_url" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { jwt = { issuer = "id.example.com", audience = ["a"] } }) })
  }

  expect_failures = [var.deploy]
}

run "a_network_is_something" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = {} })
  }

  expect_failures = [var.deploy]
}

run "a_network_is_ipv4" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { cidr = "fd00::/16" } })
  }

  expect_failures = [var.deploy]
}

run "a_task_is_one_that_there_is" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { schedules = { purges = "rate(1 day)" } })
  }

  expect_failures = [var.deploy]
}

run "a_rate_says_how_often" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { schedules = { purge = "rate()" } })
  }

  expect_failures = [var.deploy]
}

run "production_is_protected" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    name = "production"
  }

  expect_failures = [output.deploy]
}

run "an_unknown_key_is_refused" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = { deploy = merge(var.file.deploy, { log_dais = 3 }) }
  }

  expect_failures = [output.deploy]
}

run "an_unknown_key_of_the_gateway_is_refused" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = { deploy = merge(var.file.deploy, { gateway = merge(var.file.deploy.gateway, { burts = 3 }) }) }
  }

  expect_failures = [output.deploy]
}

run "an_unknown_key_of_a_function_is_refused" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = { deploy = merge(var.file.deploy, { functions = merge(var.file.deploy.functions, { mcp = { memory = 3 } }) }) }
  }

  expect_failures = [output.deploy]
}

run "a_cache_has_a_network" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { cache = { storage_gb = 1, ecpu_per_second = 1000 } })
  }

  expect_failures = [var.deploy]
}

run "a_cache_has_two_subnets" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { subnets = ["a"], security_groups = ["b"] }, cache = { storage_gb = 1, ecpu_per_second = 1000 } })
  }

  expect_failures = [var.deploy]
}

run "a_cache_holds_something" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { cidr = "10.20.0.0/16" }, cache = { storage_gb = 0, ecpu_per_second = 1000 } })
  }

  expect_failures = [var.deploy]
}

run "a_cache_holds_what_it_can" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { cidr = "10.20.0.0/16" }, cache = { storage_gb = 5001, ecpu_per_second = 1000 } })
  }

  expect_failures = [var.deploy]
}

run "a_cache_works" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { cidr = "10.20.0.0/16" }, cache = { storage_gb = 1, ecpu_per_second = 999 } })
  }

  expect_failures = [var.deploy]
}

run "a_cache_works_as_it_can" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { network = { cidr = "10.20.0.0/16" }, cache = { storage_gb = 1, ecpu_per_second = 15000001 } })
  }

  expect_failures = [var.deploy]
}

run "a_firewall_is_taken" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = { deploy = merge(var.file.deploy, { gateway = { cors = {}, jwt = null, domains = [{}, {}] }, firewall = {} }) }
    deploy = merge(var.deploy, {
      firewall = { requests_per_5_minutes = 10 }
      gateway = merge(var.deploy.gateway, {
        domains = [for name in ["a.b.io", "c.b.io"] : { name = name, certificate_arn = "arn:aws:acm:us-east-1:1:certificate/1" }]
      })
    })
  }
}

# They are many more than would fit into the variables of a function.
run "behind_a_firewall_callers_are_no_setting_of_the_functions" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file   = merge(var.file, { log = "info", caller_networks = { allow = [for i in range(250) : "198.51.${i}.0/24"] } })
    deploy = merge(var.deploy, { firewall = { requests_per_5_minutes = 2000 } })
  }

  assert {
    condition     = output.settings == { log = "info" } && length(output.callers) == 250
    error_message = jsonencode(output.settings)
  }
}

run "a_misspelt_key_of_callers_networks_is_no_empty_list" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = merge(var.file, { caller_networks = { alow = ["198.51.100.0/24"] } })
  }

  expect_failures = [output.deploy]
}

run "callers_networks_without_a_list_are_everywhere" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = merge(var.file, { caller_networks = {} })
  }

  assert {
    condition     = length(output.callers) == 0
    error_message = "Nobody could call."
  }
}

run "without_a_firewall_callers_are_a_setting" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = merge(var.file, { caller_networks = { allow = ["198.51.100.0/24"] } })
  }

  assert {
    condition     = output.settings.caller_networks.allow == ["198.51.100.0/24"]
    error_message = jsonencode(output.settings)
  }
}

run "a_firewall_lets_something_through" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { firewall = { requests_per_5_minutes = 9 } })
  }

  expect_failures = [var.deploy]
}

run "a_firewall_counts_as_far_as_it_can" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { firewall = { requests_per_5_minutes = 2000000001 } })
  }

  expect_failures = [var.deploy]
}

run "a_firewall_counts_whole_requests" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { firewall = { requests_per_5_minutes = 10.5 } })
  }

  expect_failures = [var.deploy]
}

run "a_firewall_is_not_in_every_partition" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { region = "us-gov-east-1", firewall = { requests_per_5_minutes = 2000 } })
  }

  expect_failures = [var.deploy]
}

run "a_firewall_has_certificates_of_its_own_region" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, {
      firewall = { requests_per_5_minutes = 2000 }
      gateway  = merge(var.deploy.gateway, { domains = [{ name = "a.b.io", certificate_arn = "arn:aws:acm:eu-west-1:1:certificate/1" }] })
    })
  }

  expect_failures = [var.deploy]
}

run "a_firewall_has_one_certificate" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, {
      firewall = { requests_per_5_minutes = 2000 }
      gateway  = merge(var.deploy.gateway, { domains = [for i in [1, 2] : { name = "a${i}.b.io", certificate_arn = "arn:aws:acm:us-east-1:1:certificate/${i}" }] })
    })
  }

  expect_failures = [var.deploy]
}

run "a_firewall_reaches_the_gateway" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, {
      firewall = { requests_per_5_minutes = 2000 }
      gateway = merge(var.deploy.gateway, {
        default_endpoint = false
        domains          = [{ name = "a.b.io", certificate_arn = "arn:aws:acm:us-east-1:1:certificate/1" }]
      })
    })
  }

  expect_failures = [var.deploy]
}

run "nothing_streams_around_a_firewall" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    deploy = merge(var.deploy, { firewall = { requests_per_5_minutes = 2000 }, streaming = ["mcp"] })
  }

  expect_failures = [var.deploy]
}

run "an_unknown_key_of_the_firewall_is_refused" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file   = { deploy = merge(var.file.deploy, { firewall = { allow = [] } }) }
    deploy = merge(var.deploy, { firewall = { requests_per_5_minutes = 2000 } })
  }

  expect_failures = [output.deploy]
}

run "tokens_name_no_tenant_that_anybody_could_make" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file   = merge(var.file, { sign_up = "open" })
    deploy = merge(var.deploy, { gateway = merge(var.deploy.gateway, { jwt = { issuer = "https://id.example.com", audience = ["tidegate"] } }) })
  }

  expect_failures = [output.deploy]
}

run "nobody_signs_up_to_look_into_a_private_network" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = merge(var.file, { sign_up = "open", source_networks = { allow = ["10.0.0.0/8"] } })
  }

  expect_failures = [output.deploy]
}

run "sign_up_is_open_without_tokens" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = merge(var.file, { sign_up = "open" })
  }
}

run "what_functions_read_has_an_end" {
  command = plan

  module {
    source = "./modules/environment"
  }

  variables {
    file = merge(var.file, { log = format("%3072s", "info") })
  }

  expect_failures = [output.settings]
}
