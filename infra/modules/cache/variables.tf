variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "subnets" {
  description = "The subnets of the functions, in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnets) >= 2
    error_message = "A cache needs subnets in two zones."
  }
}

variable "security_groups" {
  description = "The security groups of the functions, which may connect."
  type        = list(string)
}

variable "storage_gb" {
  description = "The most that it holds, in GB."
  type        = number
}

variable "ecpu_per_second" {
  description = "The most ElastiCache processing units a second; a read or write of up to 1 KB is one."
  type        = number
}

variable "key_arn" {
  description = "The KMS key that it is encrypted with."
  type        = string
}
