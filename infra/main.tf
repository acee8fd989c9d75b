module "key" {
  source = "./modules/key"

  name          = local.deploy.name
  deletion_days = max(local.recovery_days, 7)
  account       = local.account
  partition     = local.partition
  region        = local.deploy.region
}

module "table" {
  source = "./modules/table"

  name      = local.deploy.name
  key_arn   = module.key.arn
  protected = local.deploy.protected
}

module "secrets" {
  source = "./modules/secrets"

  prefix        = local.deploy.name
  key_arn       = module.key.arn
  recovery_days = local.recovery_days
  account       = local.account
  partition     = local.partition
  region        = local.deploy.region
}

module "network" {
  source = "./modules/network"
  count  = try(local.deploy.network.cidr, null) == null ? 0 : 1

  name   = local.deploy.name
  region = local.deploy.region
  cidr   = local.deploy.network.cidr
  nat    = local.deploy.network.nat
}

module "cache" {
  source = "./modules/cache"
  count  = local.deploy.cache == null ? 0 : 1

  name            = local.deploy.name
  subnets         = local.network.subnets
  security_groups = local.network.security_groups
  storage_gb      = local.deploy.cache.storage_gb
  ecpu_per_second = local.deploy.cache.ecpu_per_second
  key_arn         = module.key.arn
}

module "function" {
  source   = "./modules/function"
  for_each = local.deploy.functions

  name         = "${local.deploy.name}-${each.key}"
  arn          = "arn:${local.partition}:lambda:${local.deploy.region}:${local.account}:function:${local.deploy.name}-${each.key}"
  package      = "${var.packages}/${each.key}.zip"
  architecture = local.deploy.architecture
  memory_mb    = each.value.memory_mb
  timeout_s    = each.value.timeout_s
  concurrency  = each.value.concurrency
  provisioned  = each.value.provisioned
  environment  = local.variables[each.key]
  permissions  = local.permissions[each.key]
  log_days     = local.deploy.log_days
  key_arn      = module.key.arn
  tracing      = local.deploy.tracing.x_ray
  layers       = local.deploy.tracing.otlp == null ? [] : local.deploy.tracing.otlp.layers
  network      = local.network
  has_url      = contains(local.deploy.streaming, each.key)
}

module "api" {
  source = "./modules/api"

  name = local.deploy.name
  routes = {
    for route in local.routes : route.path => { function = route.function, public = try(route.public, false) }
  }
  functions           = module.function
  fallback            = "auth"
  domains             = local.deploy.firewall == null ? local.deploy.gateway.domains : []
  default_endpoint    = local.deploy.gateway.default_endpoint
  requests_per_second = local.deploy.gateway.requests_per_second
  burst               = local.deploy.gateway.burst
  cors                = local.deploy.gateway.cors
  jwt                 = local.deploy.gateway.jwt
  log_days            = local.deploy.log_days
  key_arn             = module.key.arn
}

module "firewall" {
  source    = "./modules/firewall"
  count     = local.deploy.firewall == null ? 0 : 1
  providers = { aws = aws.us_east_1 }

  name                   = local.deploy.name
  gateway                = module.api.host
  domains                = local.deploy.gateway.domains
  callers                = module.environment.callers
  requests_per_5_minutes = local.deploy.firewall.requests_per_5_minutes
}

module "schedule" {
  source = "./modules/schedule"

  name         = local.deploy.name
  tasks        = local.deploy.schedules
  function     = module.function["sync"]
  account      = local.account
  dead_letters = local.dead_letters
}

module "observability" {
  source = "./modules/observability"

  name   = local.deploy.name
  region = local.deploy.region
  # By names that are known before the functions are, or `terraform import` could not tell how many alarms there are.
  functions = {
    for name, function in local.deploy.functions : name => { name = "${local.deploy.name}-${name}", p95_ms = function.p95_ms }
  }
  api_id       = module.api.id
  access_log   = module.api.access_log
  table        = module.table.name
  dead_letters = local.dead_letters
  key_arn      = module.key.arn
  emails       = local.deploy.alarm_emails
  topics       = local.deploy.alarm_topics
  firewall     = one([for firewall in module.firewall : { acl = firewall.acl, rules = firewall.rules }])
  cache        = local.deploy.cache == null ? null : merge(local.deploy.cache, { name = module.cache[0].name })
}

locals {
  # What callers speak to.
  front = concat(module.firewall, [{
    urls           = module.api.urls
    default_url    = module.api.default_url
    domain_targets = module.api.domain_targets
  }])[0]

  dead_letters = "${local.deploy.name}-dead-letters"

  network = local.deploy.network == null ? null : (
    local.deploy.network.cidr == null
    ? { subnets = local.deploy.network.subnets, security_groups = local.deploy.network.security_groups }
    : { subnets = module.network[0].subnets, security_groups = [module.network[0].security_group] }
  )
}
