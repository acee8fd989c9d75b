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
}
