resource "aws_apigatewayv2_api" "this" {
  name                         = var.name
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = !var.default_endpoint

  dynamic "cors_configuration" {
    for_each = length(var.cors.origins) > 0 ? [var.cors] : []

    content {
      allow_origins  = cors_configuration.value.origins
      allow_methods  = ["GET", "POST", "PUT", "DELETE"]
      allow_headers  = ["authorization", "content-type", "accept", "if-match", "idempotency-key", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "x-request-timeout"]
      expose_headers = ["allow", "deprecation", "etag", "retry-after", "www-authenticate", "x-request-id", "idempotency-replayed", "tidegate-truncated", "tidegate-next-cursor"]
      max_age        = cors_configuration.value.max_age_s
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = local.answering

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.functions[each.key].invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.value.function].id}"
  authorization_type = var.jwt == null || each.value.public ? "NONE" : "JWT"
  authorizer_id      = var.jwt == null || each.value.public ? null : aws_apigatewayv2_authorizer.jwt[0].id
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count = var.jwt == null ? 0 : 1

  api_id           = aws_apigatewayv2_api.this.id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.jwt.issuer
    audience = var.jwt.audience
  }
}

resource "aws_lambda_permission" "this" {
  for_each = local.answering

  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = var.functions[each.key].name
  qualifier     = var.functions[each.key].alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*"
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/vendedlogs/${var.name}/gateway"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    # A metric for each route, each paid for; the log has the routes.
    detailed_metrics_enabled = false
    throttling_rate_limit    = var.requests_per_second
    throttling_burst_limit   = var.burst
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = jsonencode(local.access_log)
  }
}

locals {
  # A path takes every method: which ones it has is for the function to say, with an answer that explains itself.
  routes = merge(
    { for path, route in var.routes : "ANY ${path}" => route },
    # Behind the base path of a domain it reaches every path that the function has, so it asks for a token too.
    { "$default" = { function = var.fallback, public = false } },
  )
  answering = toset([for route in values(local.routes) : route.function])

  # Route, not path: a path holds names of sources and queries.
  access_log = {
    time           = "$context.requestTime"
    request_id     = "$context.requestId"
    source_address = "$context.identity.sourceIp"
    method         = "$context.httpMethod"
    route          = "$context.routeKey"
    status         = "$context.status"
    bytes          = "$context.responseLength"
    elapsed_ms     = "$context.responseLatency"
    function_ms    = "$context.integrationLatency"
    function_error = "$context.integrationErrorMessage"
    gateway_error  = "$context.error.message"
  }
}
