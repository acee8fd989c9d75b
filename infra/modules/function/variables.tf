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
}

variable "memory_mb" {
  description = "Memory in MB; the share of processors grows with it."
  type        = number
}

variable "timeout_s" {
  description = "After how many seconds a call is ended."
  type        = number
}

variable "concurrency" {
  description = "The most calls at once; null for the account's limit."
  type        = number
  default     = null
}

variable "provisioned" {
  description = "How many environments are kept ready."
  type        = number
  default     = 0
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
  default     = []
}

variable "network" {
  description = "The subnets and security groups to run in; null runs outside of any VPC."
  type = object({
    subnets         = list(string)
    security_groups = list(string)
  })
  default = null
}

variable "has_url" {
  description = "Whether the function has a public URL of its own, over which answers stream."
  type        = bool
  default     = false
}
