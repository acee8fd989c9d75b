variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "routes" {
  description = "Each path of the gateway, as config/routes.yaml has it: the function that answers, and whether it stays open when the gateway checks tokens."
  type = map(object({
    function = string
    public   = bool
  }))

  validation {
    condition     = alltrue([for path in keys(var.routes) : can(regex("^(/([a-z0-9._-]+|\\{[a-z_]+\\}))+$", path))])
    error_message = "A path is made of /words and /{parameters}."
  }

  validation {
    condition     = length(setsubtract([for route in values(var.routes) : route.function], keys(var.functions))) == 0
    error_message = "config/routes.yaml: there are only the functions ${join(", ", keys(var.functions))}."
  }

  validation {
    condition     = length(var.routes) < 300
    error_message = "An HTTP API has 300 routes at most, one of which is the one for everything else."
  }
}

variable "functions" {
  description = "The functions that answer, by their names in the routes."
  type = map(object({
    name       = string
    alias      = string
    invoke_arn = string
  }))
}

variable "fallback" {
  description = "The function that answers what no route names."
  type        = string
}

variable "domains" {
  description = "The host names the gateway answers to, each with its certificate and, when its record is to be made, the hosted zone."
  type = list(object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  }))
}

variable "default_endpoint" {
  description = "Whether the gateway also answers at the host name that AWS gives it."
  type        = bool
}

variable "requests_per_second" {
  description = "The requests a second that the gateway lets through."
  type        = number
}

variable "burst" {
  description = "The requests at once that the gateway lets through."
  type        = number
}

variable "cors" {
  description = "The origins whose pages may call the API, and for how many seconds browsers may remember it."
  type = object({
    origins   = list(string)
    max_age_s = number
  })
}

variable "jwt" {
  description = "Issuer and audiences of the tokens that the gateway asks for; null leaves it to the functions."
  type = object({
    issuer   = string
    audience = list(string)
  })

  # A browser asks beforehand (OPTIONS) without a token, and the gateway would refuse that.
  validation {
    condition     = var.jwt == null || length(var.cors.origins) == 0
    error_message = "With jwt no page of another origin can call: give no cors.origins."
  }
}

variable "log_days" {
  description = "For how many days access log lines are kept."
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days: a number of days that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "key_arn" {
  description = "The KMS key that the access log is encrypted with."
  type        = string
}
