# Each role may do exactly what is listed here: action, resource, and what narrows it. Whoever gives a function another
# permission has to write it down here too. That no role has more than the policy that these lines are of is for
# localstack/settled to see, which asks an emulator.
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

  everywhere = [
    "logs:CreateLogStream on arn:aws:logs:eu-west-1:111122223333:log-group:its-own:*",
    "logs:PutLogEvents on arn:aws:logs:eu-west-1:111122223333:log-group:its-own:*",
    "xray:PutTraceSegments on *",
    "xray:PutTelemetryRecords on *",
    "dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table",
    "dynamodb:Query on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table",
    "kms:Decrypt on arn:aws:kms:eu-west-1:111122223333:key/the-key when StringEquals kms:ViaService dynamodb.eu-west-1.amazonaws.com, secretsmanager.eu-west-1.amazonaws.com",
  ]
  writing = [
    "dynamodb:PutItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#????????-????-????-????-????????????",
    "dynamodb:UpdateItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#????????-????-????-????-????????????",
    "dynamodb:DeleteItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#????????-????-????-????-????????????",
  ]
  founding  = ["dynamodb:PutItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#????????-????-????-????-????????????, TENANT#*, TENANTS"]
  recording = ["dynamodb:BatchWriteItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#????????-????-????-????-????????????#EXEC"]
  opening = [
    "secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:111122223333:secret:the-master-key-Ab1Cd2",
    "secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/sources/*",
  ]
  keeping = [
    "secretsmanager:CreateSecret on arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/sources/*",
    "secretsmanager:DeleteSecret on arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/sources/*",
    "kms:GenerateDataKey on arn:aws:kms:eu-west-1:111122223333:key/the-key when StringEquals kms:ViaService secretsmanager.eu-west-1.amazonaws.com",
  ]
  tidying = [
    "dynamodb:PutItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#????????-????-????-????-????????????, T#????????-????-????-????-????????????#CATALOG, SYNC",
    "dynamodb:DeleteItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#????????-????-????-????-????????????, T#????????-????-????-????-????????????#CATALOG, SYNC",
  ]
  clearing = [
    "secretsmanager:ListSecrets on *",
    "secretsmanager:DeleteSecret on arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/sources/*",
  ]
  recovering = ["never secretsmanager:DeleteSecret on arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/sources/* when Bool secretsmanager:ForceDeleteWithoutRecovery true"]
  reporting  = ["sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:tidegate-dead-letters"]
}

run "each_function_may_do_no_more_than_listed" {
  command = plan

  assert {
    condition     = module.function["auth"].permissions == toset(concat(var.everywhere, var.writing))
    error_message = jsonencode(module.function["auth"].permissions)
  }

  assert {
    condition     = module.function["registry"].permissions == toset(concat(var.everywhere, var.writing, var.opening, var.keeping, var.recovering))
    error_message = jsonencode(module.function["registry"].permissions)
  }

  assert {
    condition     = module.function["execute"].permissions == toset(concat(var.everywhere, var.recording, var.opening))
    error_message = jsonencode(module.function["execute"].permissions)
  }

  assert {
    condition     = module.function["mcp"].permissions == toset(concat(var.everywhere, var.recording, var.opening))
    error_message = jsonencode(module.function["mcp"].permissions)
  }

  assert {
    condition     = module.function["sync"].permissions == toset(concat(var.everywhere, var.tidying, var.opening, var.clearing, var.reporting, var.recovering))
    error_message = jsonencode(module.function["sync"].permissions)
  }

  assert {
    condition     = length(module.function) == 5
    error_message = "A function is not listed: ${jsonencode(keys(module.function))}"
  }
}

# Staging is not protected, so what is deleted there is gone at once.
run "only_what_is_protected_is_recovered" {
  command = plan

  variables {
    environment = "staging"
  }

  assert {
    condition     = alltrue(flatten([for function in values(module.function) : [for line in function.permissions : !startswith(line, "never ")]]))
    error_message = jsonencode({ for name, function in module.function : name => function.permissions })
  }

  assert {
    condition     = alltrue([for variables in values(local.variables) : !contains(keys(variables), "TIDEGATE_SECRET_RECOVERY_DAYS")])
    error_message = "A function keeps deleted secrets."
  }
}

# No environment is open to sign up, so that here one is.
run "who_signs_up_makes_a_tenant_and_nothing_else" {
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
        tracing      = { x_ray = true, otlp = null }
        gateway      = { domains = [], default_endpoint = true, requests_per_second = 1, burst = 1, cors = { origins = [], max_age_s = 0 }, jwt = null }
        firewall     = null
        streaming    = []
        network      = null
        cache        = null
        schedules    = {}
        alarm_emails = []
        alarm_topics = []
      }
      settings = { sign_up = "open" }
    }
  }

  variables {
    environment = "staging"
  }

  assert {
    condition     = module.function["auth"].permissions == toset(concat(var.everywhere, var.writing, var.founding))
    error_message = jsonencode(module.function["auth"].permissions)
  }
}
