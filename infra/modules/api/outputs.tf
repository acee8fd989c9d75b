output "id" {
  description = "The gateway's id."
  value       = aws_apigatewayv2_api.this.id
}

output "urls" {
  description = "The base addresses the gateway answers at: the domains in their order, then the one that AWS gave it unless that is switched off."
  value = concat(
    [for domain in var.domains : "https://${domain.name}"],
    var.default_endpoint ? [aws_apigatewayv2_api.this.api_endpoint] : [],
  )
}

output "default_url" {
  description = "The address that AWS gave the gateway, unless that is switched off."
  value       = var.default_endpoint ? aws_apigatewayv2_api.this.api_endpoint : null
}

output "host" {
  description = "The host name that AWS gave the gateway."
  value       = trimprefix(aws_apigatewayv2_api.this.api_endpoint, "https://")
}

output "access_log" {
  description = "The log group with a line for each call."
  value       = aws_cloudwatch_log_group.access.name
}

output "domain_targets" {
  description = "For each domain the host name that its DNS record has to lead to."
  value       = { for name, domain in aws_apigatewayv2_domain_name.this : name => domain.domain_name_configuration[0].target_domain_name }
}

output "routes" {
  description = "The function that answers each route."
  value       = { for key, route in local.routes : key => route.function }
}
