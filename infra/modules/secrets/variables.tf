variable "prefix" {
  description = "What the names of all secrets of the deployment begin with, without the slash."
  type        = string
}

variable "key_arn" {
  description = "The KMS key that the master key is encrypted with."
  type        = string
}

variable "recovery_days" {
  description = "For how many days a deleted secret can be brought back; 0 deletes at once."
  type        = number

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "Secrets Manager keeps deleted secrets for 0 or 7 to 30 days."
  }
}

variable "account" {
  description = "The account's id."
  type        = string
}

variable "partition" {
  description = "The partition of AWS, such as aws."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}
