# The shape of production, as the file in config/environments has it.
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
  environment = "production"
}

run "production" {
  command = plan

  assert {
    condition     = local.deploy.protected && local.recovery_days == 30
    error_message = "Production is not protected from deletion."
  }

  assert {
    condition     = contains(keys(local.deploy.tags), "project") && local.deploy.tags.environment == "production"
    error_message = "What is built does not say whose it is."
  }

  assert {
    condition     = local.deploy.functions.sync.concurrency >= 2 * length(local.deploy.schedules)
    error_message = "Tasks of production would be refused: each needs an environment, and a slow one another for its next run."
  }

  assert {
    condition     = length(output.streaming_urls) == 0
    error_message = "A function has a public URL of its own."
  }

  assert {
    condition     = output.urls == ["https://the-api.execute-api.eu-west-1.amazonaws.com"]
    error_message = "The functions are told other addresses: ${jsonencode(output.urls)}"
  }

  # The functions are told where their things are, and no more than the file says.
  assert {
    condition     = jsondecode(local.variables.auth.TIDEGATE_CONFIG) == { for key, value in local.file : key => value if key != "deploy" }
    error_message = "The functions read another configuration than the file has."
  }

  assert {
    condition     = toset(keys(local.variables.auth)) == toset(["TIDEGATE_CONFIG", "TIDEGATE_TABLE", "TIDEGATE_URLS"])
    error_message = "auth: ${jsonencode(keys(local.variables.auth))}"
  }

  assert {
    condition     = alltrue([for name in ["registry", "sync"] : local.variables[name].TIDEGATE_SECRET_RECOVERY_DAYS == "30"])
    error_message = "A deleted secret of production is gone at once."
  }

  assert {
    condition     = alltrue([for name in ["execute", "mcp"] : setsubtract(keys(local.variables[name]), keys(local.variables.auth)) == toset(["TIDEGATE_SECRET_PREFIX", "TIDEGATE_MASTER_KEY_SECRET"])])
    error_message = "execute and mcp are told something else of the secrets."
  }

  assert {
    condition     = setsubtract(keys(local.variables.registry), keys(local.variables.mcp)) == toset(["TIDEGATE_KMS_KEY", "TIDEGATE_SECRET_RECOVERY_DAYS"])
    error_message = "registry: ${jsonencode(keys(local.variables.registry))}"
  }
}

run "staging" {
  command = plan

  variables {
    environment = "staging"
  }

  assert {
    condition     = local.deploy.functions.sync.concurrency >= 2 * length(local.deploy.schedules)
    error_message = "Tasks of staging would be refused: each needs an environment, and a slow one another for its next run."
  }

  assert {
    condition     = local.deploy.name != "tidegate" && local.deploy.tags.environment == "staging"
    error_message = "Staging would get in production's way."
  }
}

run "local" {
  command = plan

  variables {
    environment = "local"
    endpoint    = "http://127.0.0.1:4566"
  }

  assert {
    condition     = alltrue([for variables in values(local.variables) : variables.AWS_ENDPOINT_URL == "http://127.0.0.1:4566"])
    error_message = "A function would call the real AWS."
  }
}

# No environment has a network, a cache or a collector, so that here they are put into one.
run "a_network_a_cache_and_a_collector" {
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
        log_days     = 14
        tracing      = { x_ray = false, otlp = { endpoint = "http://localhost:4318", layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:collector:2"], collector_config = "/opt/collector.yaml" } }
        gateway      = { domains = [], default_endpoint = true, requests_per_second = 1, burst = 1, cors = { origins = [], max_age_s = 0 }, jwt = null }
        firewall     = null
        streaming    = []
        network      = { cidr = "10.20.0.0/16", nat = false, subnets = [], security_groups = [] }
        cache        = { storage_gb = 1, ecpu_per_second = 1000 }
        schedules    = {}
        alarm_emails = []
        alarm_topics = []
      }
      settings = {}
    }
  }

  variables {
    environment = "staging"
  }

  assert {
    condition     = output.cache == "the-cache.serverless.euw1.cache.amazonaws.com:6379"
    error_message = "Nobody is told where the cache is: ${jsonencode(output.cache)}"
  }

  assert {
    condition     = alltrue([for function in values(module.function) : contains(function.permissions, "ec2:CreateNetworkInterface on *")])
    error_message = "A function runs outside of the network."
  }

  assert {
    condition = alltrue([
      for name, variables in local.variables :
      variables.OTEL_EXPORTER_OTLP_ENDPOINT == "http://localhost:4318"
      && variables.OTEL_SERVICE_NAME == "tidegate-test-${name}"
      && variables.OPENTELEMETRY_COLLECTOR_CONFIG_URI == "/opt/collector.yaml"
    ])
    error_message = "A function is not told of the collector: ${jsonencode(local.variables)}"
  }
}

run "no_file_no_environment" {
  command = plan

  variables {
    environment = "nowhere"
  }

  expect_failures = [var.environment]
}

run "an_emulator_is_on_this_machine" {
  command = plan

  variables {
    environment = "staging"
    endpoint    = "http://example.com:4566"
  }

  expect_failures = [var.endpoint]
}
