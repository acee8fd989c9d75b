variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "functions" {
  description = "Each function's full name, and the p95 of its duration in milliseconds above which it alarms."
  type = map(object({
    name   = string
    p95_ms = number
  }))

  validation {
    condition     = alltrue([for function in values(var.functions) : function.p95_ms > 0])
    error_message = "functions.*.p95_ms: more than 0 milliseconds."
  }
}

variable "api_id" {
  description = "The gateway's id."
  type        = string
}

variable "access_log" {
  description = "The log group with a line for each call of the gateway."
  type        = string
}

variable "table" {
  description = "The table's name."
  type        = string
}

variable "dead_letters" {
  description = "The name of the queue for tasks that failed for good."
  type        = string
}

variable "cache" {
  description = "The cache and its limits; null without one."
  type = object({
    name            = string
    storage_gb      = number
    ecpu_per_second = number
  })

  validation {
    condition     = var.cache == null ? true : var.cache.storage_gb > 0 && var.cache.ecpu_per_second > 0
    error_message = "cache.storage_gb and cache.ecpu_per_second: more than 0, or there is nothing to come near to."
  }
}

variable "firewall" {
  description = "The web ACL and its rules, by their names in metrics; null without one."
  type = object({
    acl   = string
    rules = list(string)
  })
}

variable "key_arn" {
  description = "The KMS key that alarm messages are encrypted with."
  type        = string
}

variable "emails" {
  description = "Who is told of alarms; each address has to confirm a message from AWS once."
  type        = list(string)

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "emails: e-mail addresses."
  }
}

variable "topics" {
  description = "The ARNs of topics of others that are told of alarms too."
  type        = list(string)

  validation {
    condition     = length(var.topics) <= 4 && alltrue([for topic in var.topics : can(regex("^arn:aws[a-z-]*:sns:${var.region}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", topic))])
    error_message = "An alarm tells up to four topics of its region beside the deployment's own: arn:aws:sns:REGION:ACCOUNT:NAME."
  }
}
