output "urls" {
  description = "The base addresses of the API; the first is the one to hand out."
  value       = local.front.urls
}

output "api_id" {
  description = "The gateway's id."
  value       = module.api.id
}

output "domain_targets" {
  description = "For each domain the host name that its DNS record has to lead to."
  value       = local.front.domain_targets
}

output "streaming_urls" {
  description = "The addresses over which answers stream, by function."
  value       = { for name, function in module.function : name => function.url if function.url != null }
}

output "name" {
  description = "The deployment's name."
  value       = local.deploy.name
}

output "region" {
  description = "Where it is."
  value       = local.deploy.region
}

output "default_url" {
  description = "The address that AWS gave, which needs no DNS record of yours; none when the gateway's is switched off."
  value       = local.front.default_url
}

output "token_issuer" {
  description = "Whose tokens the gateway asks for, when it checks tokens."
  value       = try(local.deploy.gateway.jwt.issuer, null)
}

output "table" {
  description = "The table's name."
  value       = module.table.name
}

output "master_key_secret" {
  description = "The secret that `tidegate store init` fills."
  value       = module.secrets.master_key
}

output "versions" {
  description = "The version of each function that is in use; what to go back to after the next deployment."
  value       = { for name, function in module.function : name => function.version }
}

output "alarm_topic" {
  description = "The SNS topic that alarms are sent to."
  value       = module.observability.topic_arn
}

output "cache" {
  description = "Where the cache listens, with a cache."
  value       = one(module.cache[*].address)
}

output "egress_address" {
  description = "The address that databases see the functions come from, with a network of its own and NAT."
  value       = one(module.network[*].address)
}
