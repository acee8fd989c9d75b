# The gateway: its routes are the lines of config/routes.yaml, and nothing else gets in.
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
  name = "tidegate"
  routes = {
    "/health"             = { function = "auth", public = true }
    "/v1/queries/{query}" = { function = "registry", public = false }
  }
  functions = {
    auth     = { name = "tidegate-auth", alias = "live", invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:tidegate-auth:live/invocations" }
    registry = { name = "tidegate-registry", alias = "live", invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:tidegate-registry:live/invocations" }
  }
  fallback            = "auth"
  domains             = []
  default_endpoint    = true
  requests_per_second = 50
  burst               = 100
  cors                = { origins = [], max_age_s = 600 }
  jwt                 = null
  log_days            = 365
  key_arn             = "arn:aws:kms:eu-west-1:111122223333:key/the-key"
}

run "each_line_is_a_route" {
  command = plan

  variables {
    environment = "production"
  }

  assert {
    condition     = length(local.routes) == length(distinct(local.routes[*].path))
    error_message = "A path is named twice."
  }

  assert {
    condition     = module.api.routes == merge({ for route in local.routes : "ANY ${route.path}" => route.function }, { "$default" = "auth" })
    error_message = jsonencode(module.api.routes)
  }
}

run "the_gateway" {
  command = plan

  module {
    source = "./modules/api"
  }

  override_resource {
    target          = aws_apigatewayv2_integration.this["auth"]
    values          = { id = "to-auth" }
    override_during = plan
  }

  override_resource {
    target          = aws_apigatewayv2_integration.this["registry"]
    values          = { id = "to-registry" }
    override_during = plan
  }

  assert {
    condition     = toset(keys(aws_apigatewayv2_route.this)) == toset(["ANY /health", "ANY /v1/queries/{query}", "$default"])
    error_message = jsonencode(keys(aws_apigatewayv2_route.this))
  }

  assert {
    condition     = alltrue([for name, integration in aws_apigatewayv2_integration.this : integration.integration_uri == var.functions[name].invoke_arn && integration.payload_format_version == "2.0"])
    error_message = "A function is called in another way."
  }

  assert {
    condition     = { for key, route in aws_apigatewayv2_route.this : key => route.target } == { for key, name in { "ANY /health" = "auth", "ANY /v1/queries/{query}" = "registry", "$default" = "auth" } : key => "integrations/to-${name}" }
    error_message = "A route leads to another function."
  }

  assert {
    condition     = alltrue([for permission in aws_lambda_permission.this : permission.principal == "apigateway.amazonaws.com" && permission.source_arn == "${aws_apigatewayv2_api.this.execution_arn}/*" && permission.qualifier == "live"])
    error_message = "Something else than this gateway may call a function."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 100
    error_message = "It lets through as much as comes."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].detailed_metrics_enabled == false
    error_message = "Each route has metrics, which cost."
  }

  assert {
    condition     = output.default_url == aws_apigatewayv2_api.this.api_endpoint
    error_message = "The address that needs no DNS is not told."
  }

  assert {
    condition     = length(aws_apigatewayv2_api.this.cors_configuration) == 0
    error_message = "Pages of other origins may call it."
  }

  assert {
    condition     = aws_cloudwatch_log_group.access.retention_in_days == 365 && aws_cloudwatch_log_group.access.kms_key_id == var.key_arn && aws_apigatewayv2_stage.this.access_log_settings[0].destination_arn == aws_cloudwatch_log_group.access.arn
    error_message = "Calls are not logged, or the log is kept otherwise."
  }

  assert {
    condition     = !strcontains(aws_apigatewayv2_stage.this.access_log_settings[0].format, "path") && !strcontains(aws_apigatewayv2_stage.this.access_log_settings[0].format, "uthorization")
    error_message = "The log says too much."
  }
}

run "tokens_are_checked_except_on_public_paths" {
  command = plan

  module {
    source = "./modules/api"
  }

  override_resource {
    target          = aws_apigatewayv2_authorizer.jwt[0]
    values          = { id = "the-authorizer" }
    override_during = plan
  }

  variables {
    jwt = { issuer = "https://id.example.com", audience = ["tidegate"] }
  }

  assert {
    condition     = { for key, route in aws_apigatewayv2_route.this : key => route.authorization_type } == { "ANY /health" = "NONE", "ANY /v1/queries/{query}" = "JWT", "$default" = "JWT" }
    error_message = "A path is open that should not be, or the other way round."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorizer_id == (route.authorization_type == "JWT" ? "the-authorizer" : null)])
    error_message = "A path asks for other tokens."
  }

  assert {
    condition     = one(aws_apigatewayv2_authorizer.jwt[0].jwt_configuration).issuer == "https://id.example.com" && one(aws_apigatewayv2_authorizer.jwt[0].jwt_configuration).audience == toset(["tidegate"])
    error_message = "It takes tokens of others, or for others: ${jsonencode(aws_apigatewayv2_authorizer.jwt[0].jwt_configuration)}"
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.jwt[0].authorizer_type == "JWT" && aws_apigatewayv2_authorizer.jwt[0].identity_sources == toset(["$request.header.Authorization"])
    error_message = "It looks for tokens elsewhere."
  }
}

run "tokens_do_not_go_with_pages_of_other_origins" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    cors = { origins = ["https://app.example.com"], max_age_s = 600 }
    jwt  = { issuer = "https://id.example.com", audience = ["tidegate"] }
  }

  expect_failures = [var.jwt]
}

run "domains_in_place_of_the_default_address" {
  command = plan

  module {
    source = "./modules/api"
  }

  override_resource {
    target          = aws_apigatewayv2_domain_name.this["a.example.com"]
    values          = { id = "a.example.com", domain_name_configuration = { target_domain_name = "a.execute-api.example", hosted_zone_id = "Za" } }
    override_during = plan
  }

  override_resource {
    target          = aws_apigatewayv2_domain_name.this["b.example.com"]
    values          = { id = "b.example.com", domain_name_configuration = { target_domain_name = "b.execute-api.example", hosted_zone_id = "Zb" } }
    override_during = plan
  }

  override_resource {
    target          = aws_apigatewayv2_stage.this
    values          = { id = "$default" }
    override_during = plan
  }

  variables {
    domains = [
      { name = "b.example.com", certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/b" },
      { name = "a.example.com", certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/a", zone_id = "Z1" },
    ]
    default_endpoint = false
  }

  assert {
    condition     = output.urls == ["https://b.example.com", "https://a.example.com"] && aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = jsonencode(output.urls)
  }

  assert {
    condition     = output.default_url == null
    error_message = "An address is told that does not answer."
  }

  assert {
    condition     = keys(aws_route53_record.this) == ["a.example.com"] && alltrue([for domain in aws_apigatewayv2_domain_name.this : domain.domain_name_configuration[0].security_policy == "TLS_1_2"])
    error_message = "A record is made without a zone, or old TLS is taken."
  }

  assert {
    condition     = { for name, domain in aws_apigatewayv2_domain_name.this : name => one(domain.domain_name_configuration).certificate_arn } == { for domain in var.domains : domain.name => domain.certificate_arn }
    error_message = "A domain has another's certificate."
  }

  assert {
    condition     = { for name, mapping in aws_apigatewayv2_api_mapping.this : name => [mapping.api_id, mapping.domain_name, mapping.stage] } == { for domain in var.domains : domain.name => ["the-api", domain.name, "$default"] }
    error_message = "A domain does not lead to the gateway."
  }

  assert {
    condition     = aws_route53_record.this["a.example.com"].zone_id == "Z1" && aws_route53_record.this["a.example.com"].type == "A" && one(aws_route53_record.this["a.example.com"].alias).name == "a.execute-api.example" && output.domain_targets["a.example.com"] == "a.execute-api.example"
    error_message = "The record leads elsewhere, or is in another zone."
  }
}

run "pages_of_other_origins" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    cors = { origins = ["https://app.example.com"], max_age_s = 600 }
  }

  assert {
    condition     = one(aws_apigatewayv2_api.this.cors_configuration).allow_origins == toset(["https://app.example.com"]) && one(aws_apigatewayv2_api.this.cors_configuration).allow_credentials != true
    error_message = "Pages of other origins may call it."
  }

  assert {
    condition     = one(aws_apigatewayv2_api.this.cors_configuration).allow_methods == toset(["GET", "POST", "PUT", "DELETE"]) && one(aws_apigatewayv2_api.this.cors_configuration).max_age == 600
    error_message = "A page may use other methods, or is asked for another time: ${jsonencode(aws_apigatewayv2_api.this.cors_configuration)}"
  }

  # What a client of REST or MCP sends, and what it has to read of an answer.
  assert {
    condition     = one(aws_apigatewayv2_api.this.cors_configuration).allow_headers == toset(["authorization", "content-type", "accept", "if-match", "idempotency-key", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "x-request-timeout"])
    error_message = jsonencode(one(aws_apigatewayv2_api.this.cors_configuration).allow_headers)
  }

  assert {
    condition     = one(aws_apigatewayv2_api.this.cors_configuration).expose_headers == toset(["allow", "deprecation", "etag", "retry-after", "www-authenticate", "x-request-id", "idempotency-replayed", "tidegate-truncated", "tidegate-next-cursor"])
    error_message = jsonencode(one(aws_apigatewayv2_api.this.cors_configuration).expose_headers)
  }
}

run "a_path_belongs_to_a_function" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    routes = { "/health" = { function = "nobody", public = true } }
  }

  expect_failures = [var.routes]
}

run "a_path_is_a_template" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    routes = { "/v1/{proxy+}" = { function = "auth", public = false } }
  }

  expect_failures = [var.routes]
}

run "calls_are_kept_for_days_that_cloudwatch_knows" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    log_days = 10
  }

  expect_failures = [var.log_days]
}
