variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "cidr" {
  description = "The addresses of the network, such as 10.20.0.0/16."
  type        = string

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 3))
    error_message = "A block that four subnets fit in, such as 10.20.0.0/16."
  }
}

variable "nat" {
  description = "Whether the functions reach the internet, from one fixed address."
  type        = bool
}
