variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "gateway" {
  description = "The host name of the gateway, which answers at it over HTTPS."
  type        = string
}

variable "domains" {
  description = "The host names that callers use, all in one certificate of us-east-1, and when its record is to be made, the hosted zone of each."
  type = list(object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  }))

  validation {
    condition     = length(distinct(var.domains[*].certificate_arn)) <= 1
    error_message = "A distribution has one certificate: give every domain the same."
  }
}

variable "callers" {
  description = "The ranges of addresses that may call; all with none."
  type        = list(string)

  validation {
    condition     = alltrue([for range in var.callers : can(cidrhost(range, 0)) && !endswith(range, "/0")])
    error_message = "caller_networks.allow: ranges such as 192.0.2.0/24, and none of /0; leave the list empty to answer every address."
  }
}

variable "requests_per_5_minutes" {
  description = "The most calls in five minutes from one address."
  type        = number
}
