# The shape of production, as the file in config/environments has it.
mock_provider "aws" {
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
    condition     = toset(keys(local.variables.auth)) == toset(["TIDEGATE_ENVIRONMENT", "TIDEGATE_CONFIG", "TIDEGATE_TABLE", "TIDEGATE_URLS"])
    error_message = "auth: ${jsonencode(keys(local.variables.auth))}"
  }

  assert {
    condition     = alltrue([for name in ["execute", "mcp", "sync"] : setsubtract(keys(local.variables[name]), keys(local.variables.auth)) == toset(["TIDEGATE_SECRET_PREFIX", "TIDEGATE_MASTER_KEY_SECRET"])])
    error_message = "execute, mcp and sync are told something else of the secrets."
  }

  assert {
    condition     = setsubtract(keys(local.variables.registry), keys(local.variables.mcp)) == toset(["TIDEGATE_KMS_KEY"])
    error_message = "registry: ${jsonencode(keys(local.variables.registry))}"
  }
}

run "staging" {
  command = plan

  variables {
    environment = "staging"
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
