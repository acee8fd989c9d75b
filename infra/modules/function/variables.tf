variable "name" {
  description = "The function's full name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,63}$", var.name))
    error_message = "A function's name has 3 to 64 lower-case letters, digits and hyphens."
  }
}

variable "arn" {
  description = "The function's ARN, which its role refers to before the function is there."
  type        = string
}

variable "package" {
  description = "The zip that holds `bootstrap`."
  type        = string
}

variable "architecture" {
  description = "What `bootstrap` was built for: arm64 or x86_64."
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "Memory in MB; the share of processors grows with it."
  type        = number

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb: a whole number from 128 to 10240."
  }
}

variable "timeout_s" {
  description = "After how many seconds a call is ended."
  type        = number

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900 && floor(var.timeout_s) == var.timeout_s
    error_message = "timeout_s: a whole number from 1 to 900."
  }
}

variable "concurrency" {
  description = "The most calls at once; null for the account's limit."
  type        = number

  validation {
    condition     = var.concurrency == null ? true : var.concurrency >= 1 && floor(var.concurrency) == var.concurrency
    error_message = "concurrency: a whole number of at least 1, or null."
  }
}

variable "provisioned" {
  description = "How many environments are kept ready."
  type        = number

  validation {
    condition     = var.provisioned >= 0 && floor(var.provisioned) == var.provisioned && (var.concurrency == null ? true : var.provisioned <= var.concurrency)
    error_message = "provisioned: a whole number from 0 to the concurrency."
  }
}

variable "environment" {
  description = "The environment variables. They hold no secrets."
  type        = map(string)

  validation {
    # Lambda measures them as JSON, in bytes: 5460 characters of base64 are 4095 of them.
    condition     = length(base64encode(jsonencode(var.environment))) <= 5460
    error_message = "Lambda takes 4 KB of environment variables: shorten what stands beside `deploy` in the environment's file, or name fewer domains."
  }
}

variable "permissions" {
  description = "What the function may do, or with the effect Deny may not. `keys` narrows actions on the table to partitions, `services` those on a KMS key to the services that use it, `condition` any other."
  type = list(object({
    effect    = optional(string, "Allow")
    actions   = list(string)
    resources = list(string)
    keys      = optional(list(string))
    services  = optional(list(string))
    condition = optional(object({ test = string, key = string, values = list(string) }))
  }))

  validation {
    condition = !anytrue([
      for p in var.permissions : anytrue([for a in p.actions : endswith(a, "*")])
      || contains(p.resources, "*") && p.actions != tolist(["secretsmanager:ListSecrets"])
    ])
    error_message = "Name each action and each resource: no wildcard action, and not every resource, but for what knows no resource."
  }
}

variable "log_days" {
  description = "For how many days log lines are kept."
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days: a number of days that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "key_arn" {
  description = "The KMS key that the logs are encrypted with."
  type        = string
}

variable "tracing" {
  description = "Whether AWS X-Ray records calls."
  type        = bool
}

variable "layers" {
  description = "The ARNs of its layers."
  type        = list(string)

  validation {
    condition     = length(var.layers) <= 5 && alltrue([for layer in var.layers : can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", layer))])
    error_message = "layers: up to five ARNs of versions of layers."
  }
}

variable "network" {
  description = "The subnets and security groups to run in; null runs outside of any VPC."
  type = object({
    subnets         = list(string)
    security_groups = list(string)
  })

  validation {
    condition     = var.network == null ? true : length(var.network.subnets) > 0 && length(var.network.security_groups) > 0
    error_message = "network: at least one subnet and one security group, or null."
  }
}

variable "has_url" {
  description = "Whether the function has a public URL of its own, over which answers stream."
  type        = bool
}
