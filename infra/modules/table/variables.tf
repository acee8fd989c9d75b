variable "name" {
  description = "The table's name."
  type        = string
}

variable "key_arn" {
  description = "The KMS key that the table is encrypted with."
  type        = string
}

variable "protected" {
  description = "Whether AWS refuses to delete the table."
  type        = bool
}
