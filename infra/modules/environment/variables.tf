variable "name" {
  description = "The name of the environment."
  type        = string
}

variable "file" {
  description = "The decoded file, whole."
  type        = any
}

variable "deploy" {
  description = "The part `deploy` of the file."
  type = object({
    name         = string
    region       = string
    tags         = map(string)
    protected    = bool
    architecture = string
    functions = map(object({
      memory_mb   = number
      timeout_s   = number
      concurrency = number
      provisioned = number
      p95_ms      = number
    }))
    log_days = number
    tracing = object({
      x_ray = bool
      otlp = object({
        endpoint         = string
        layers           = list(string)
        collector_config = optional(string)
      })
    })
    gateway = object({
      domains = list(object({
        name            = string
        certificate_arn = string
        zone_id         = optional(string)
      }))
      default_endpoint    = bool
      requests_per_second = number
      burst               = number
      cors = object({
        origins   = list(string)
        max_age_s = number
      })
      jwt = object({
        issuer   = string
        audience = list(string)
      })
    })
    firewall = object({
      requests_per_5_minutes = number
    })
    streaming = list(string)
    network = object({
      cidr            = optional(string)
      nat             = optional(bool, false)
      subnets         = optional(list(string), [])
      security_groups = optional(list(string), [])
    })
    cache = object({
      storage_gb      = number
      ecpu_per_second = number
    })
    schedules    = map(string)
    alarm_emails = list(string)
    alarm_topics = optional(list(string), [])
  })

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.deploy.name))
    error_message = "deploy.name: 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.deploy.region))
    error_message = "deploy.region: the code of an AWS region, such as eu-west-1."
  }

  validation {
    condition     = contains(["arm64", "x86_64"], var.deploy.architecture)
    error_message = "deploy.architecture: arm64 or x86_64."
  }

  validation {
    condition     = toset(keys(var.deploy.functions)) == toset(["auth", "registry", "execute", "mcp", "sync"])
    error_message = "deploy.functions: exactly auth, registry, execute, mcp and sync."
  }

  validation {
    condition     = alltrue([for f in values(var.deploy.functions) : f.memory_mb >= 128 && f.memory_mb <= 10240 && floor(f.memory_mb) == f.memory_mb])
    error_message = "deploy.functions.*.memory_mb: a whole number from 128 to 10240."
  }

  validation {
    condition     = alltrue([for name, f in var.deploy.functions : f.timeout_s >= 1 && f.timeout_s <= (name == "sync" ? 900 : 29) && floor(f.timeout_s) == f.timeout_s])
    error_message = "deploy.functions.*.timeout_s: 1 to 29, because the gateway waits for 30; for sync up to 900."
  }

  validation {
    condition     = alltrue([for f in values(var.deploy.functions) : f.concurrency == null ? true : f.concurrency >= 1 && floor(f.concurrency) == f.concurrency])
    error_message = "deploy.functions.*.concurrency: a whole number of at least 1, or null for the account's limit."
  }

  validation {
    condition     = alltrue([for f in values(var.deploy.functions) : f.provisioned >= 0 && floor(f.provisioned) == f.provisioned && (f.concurrency == null ? true : f.provisioned <= f.concurrency)])
    error_message = "deploy.functions.*.provisioned: a whole number from 0 to the function's concurrency."
  }

  validation {
    condition     = alltrue([for f in values(var.deploy.functions) : f.p95_ms > 0 && f.p95_ms <= f.timeout_s * 1000 && floor(f.p95_ms) == f.p95_ms])
    error_message = "deploy.functions.*.p95_ms: a whole number of more than 0, and no more than the function's timeout."
  }

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.deploy.log_days)
    error_message = "deploy.log_days: a number of days that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }

  validation {
    condition     = var.deploy.tracing.otlp == null ? true : can(regex("^https?://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9/._-]*)?$", var.deploy.tracing.otlp.endpoint))
    error_message = "deploy.tracing.otlp.endpoint: an address without user, query or fragment, such as http://localhost:4318."
  }

  validation {
    condition     = var.deploy.tracing.otlp == null ? true : length(var.deploy.tracing.otlp.layers) <= 5 && alltrue([for l in var.deploy.tracing.otlp.layers : can(regex("^arn:aws[a-z-]*:lambda:${var.deploy.region}:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", l))])
    error_message = "deploy.tracing.otlp.layers: up to five ARNs of versions of layers in the same region."
  }

  validation {
    condition     = try(var.deploy.tracing.otlp.collector_config, null) == null ? true : can(regex("^/opt/[A-Za-z0-9/._-]+$", var.deploy.tracing.otlp.collector_config)) && length(var.deploy.tracing.otlp.layers) > 0
    error_message = "deploy.tracing.otlp.collector_config: a file of one of the layers, such as /opt/collector.yaml, or null."
  }

  validation {
    condition     = alltrue([for d in var.deploy.gateway.domains : can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", d.name)) && can(regex("^arn:aws[a-z-]*:acm:${var.deploy.firewall == null ? var.deploy.region : "us-east-1"}:", d.certificate_arn))])
    error_message = "deploy.gateway.domains: lower-case host names, each with an ACM certificate of the same region; with a firewall, of us-east-1."
  }

  validation {
    condition     = length(distinct(var.deploy.gateway.domains[*].name)) == length(var.deploy.gateway.domains)
    error_message = "deploy.gateway.domains: each name once."
  }

  validation {
    condition     = var.deploy.gateway.default_endpoint || length(var.deploy.gateway.domains) > 0
    error_message = "deploy.gateway.default_endpoint: without a domain it is the only address, so it must be true."
  }

  validation {
    condition     = var.deploy.gateway.requests_per_second > 0 && var.deploy.gateway.burst > 0 && floor(var.deploy.gateway.burst) == var.deploy.gateway.burst
    error_message = "deploy.gateway.requests_per_second and burst: more than 0, burst a whole number."
  }

  validation {
    condition     = alltrue([for o in var.deploy.gateway.cors.origins : can(regex("^(https://[a-z0-9.-]+|http://localhost)(:[0-9]+)?$", o))])
    error_message = "deploy.gateway.cors.origins: origins such as https://app.example.com; a wildcard is not allowed."
  }

  validation {
    condition     = var.deploy.gateway.cors.max_age_s >= 0 && var.deploy.gateway.cors.max_age_s <= 86400 && floor(var.deploy.gateway.cors.max_age_s) == var.deploy.gateway.cors.max_age_s
    error_message = "deploy.gateway.cors.max_age_s: a whole number from 0 to 86400."
  }

  validation {
    condition     = var.deploy.gateway.jwt == null ? true : can(regex("^https?://", var.deploy.gateway.jwt.issuer)) && length(var.deploy.gateway.jwt.audience) > 0
    error_message = "deploy.gateway.jwt: an issuer's URL and at least one audience, or null."
  }

  validation {
    condition     = var.deploy.gateway.jwt == null || length(var.deploy.gateway.cors.origins) == 0
    error_message = "deploy.gateway.cors.origins: none with a jwt, because browsers ask beforehand without a token."
  }

  validation {
    condition     = var.deploy.firewall == null || length(distinct(var.deploy.gateway.domains[*].certificate_arn)) <= 1
    error_message = "deploy.gateway.domains: with a firewall the same certificate for each, which has all their names."
  }

  validation {
    condition     = var.deploy.firewall == null ? true : var.deploy.firewall.requests_per_5_minutes >= 10 && var.deploy.firewall.requests_per_5_minutes <= 2000000000 && floor(var.deploy.firewall.requests_per_5_minutes) == var.deploy.firewall.requests_per_5_minutes
    error_message = "deploy.firewall.requests_per_5_minutes: a whole number from 10 to 2000000000."
  }

  validation {
    condition     = var.deploy.firewall == null || !can(regex("^(cn|us-gov)-", var.deploy.region))
    error_message = "deploy.firewall: null in this region, which CloudFront's firewall is not for."
  }

  validation {
    condition     = var.deploy.firewall == null || var.deploy.gateway.default_endpoint
    error_message = "deploy.gateway.default_endpoint: true with a firewall, which calls the gateway by it."
  }

  validation {
    condition     = var.deploy.firewall == null || length(var.deploy.streaming) == 0
    error_message = "deploy.streaming: [] with a firewall, which the URLs would go around."
  }

  validation {
    condition     = length(setsubtract(var.deploy.streaming, ["execute", "mcp"])) == 0
    error_message = "deploy.streaming: only execute and mcp can stream."
  }

  validation {
    condition     = var.deploy.network == null ? true : (var.deploy.network.cidr != null) != (length(var.deploy.network.subnets) > 0)
    error_message = "deploy.network: either a cidr to make a network of, or the subnets of one that exists, or null."
  }

  validation {
    condition     = var.deploy.network == null ? true : (length(var.deploy.network.subnets) > 0) == (length(var.deploy.network.security_groups) > 0)
    error_message = "deploy.network: subnets and security_groups go together."
  }

  validation {
    condition     = try(var.deploy.network.cidr, null) == null ? true : can(regex("^[0-9.]+/(1[6-9]|2[0-2])$", var.deploy.network.cidr)) && can(cidrhost(var.deploy.network.cidr, 0))
    error_message = "deploy.network.cidr: a block of /16 to /22, such as 10.20.0.0/16."
  }

  validation {
    condition     = var.deploy.cache == null ? true : var.deploy.network != null && (try(var.deploy.network.cidr, null) != null || length(try(var.deploy.network.subnets, [])) >= 2)
    error_message = "deploy.cache: only with a network, of two subnets or more."
  }

  validation {
    condition     = var.deploy.cache == null ? true : var.deploy.cache.storage_gb >= 1 && var.deploy.cache.storage_gb <= 5000 && floor(var.deploy.cache.storage_gb) == var.deploy.cache.storage_gb
    error_message = "deploy.cache.storage_gb: a whole number from 1 to 5000."
  }

  validation {
    condition     = var.deploy.cache == null ? true : var.deploy.cache.ecpu_per_second >= 1000 && var.deploy.cache.ecpu_per_second <= 15000000 && floor(var.deploy.cache.ecpu_per_second) == var.deploy.cache.ecpu_per_second
    error_message = "deploy.cache.ecpu_per_second: a whole number from 1000 to 15000000."
  }

  validation {
    condition     = alltrue([for task in keys(var.deploy.schedules) : contains(["source_health", "catalog_snapshots", "purge", "key_rotation"], task)])
    error_message = "deploy.schedules: the tasks are source_health, catalog_snapshots, purge and key_rotation."
  }

  validation {
    condition     = alltrue([for rate in values(var.deploy.schedules) : can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\([^ ()]+( [^ ()]+){5}\\))$", rate))])
    error_message = "deploy.schedules: when a task runs: rate(15 minutes), in minutes, hours or days, or cron(0 3 * * ? *), of six fields."
  }

  validation {
    condition     = alltrue([for e in var.deploy.alarm_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", e))])
    error_message = "deploy.alarm_emails: e-mail addresses."
  }

  validation {
    condition     = length(var.deploy.alarm_topics) <= 4 && alltrue([for t in var.deploy.alarm_topics : can(regex("^arn:aws[a-z-]*:sns:${var.deploy.region}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", t))])
    error_message = "deploy.alarm_topics: up to four ARNs of SNS topics in the same region, such as arn:aws:sns:eu-west-1:111122223333:pager."
  }
}
