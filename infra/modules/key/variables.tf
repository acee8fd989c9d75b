variable "name" {
  description = "The deployment's name; the key's alias is alias/NAME."
  type        = string
}

variable "deletion_days" {
  description = "For how many days a deleted key can be brought back."
  type        = number

  validation {
    condition     = var.deletion_days >= 7 && var.deletion_days <= 30
    error_message = "KMS waits 7 to 30 days."
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
