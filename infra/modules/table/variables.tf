variable "name" {
  description = "The table's name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.name))
    error_message = "A table's name has 3 to 255 letters, digits, hyphens, underscores and dots."
  }
}

variable "key_arn" {
  description = "The KMS key that the table is encrypted with."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.key_arn))
    error_message = "key_arn: the ARN of a KMS key."
  }
}

variable "protected" {
  description = "Whether AWS refuses to delete the table."
  type        = bool
}
