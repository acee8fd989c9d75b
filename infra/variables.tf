variable "environment" {
  description = "The environment to build: the name of a file in config/environments, without its ending."
  type        = string

  validation {
    condition     = fileexists("${path.root}/../config/environments/${var.environment}.yaml")
    error_message = "There is no file config/environments/${var.environment}.yaml."
  }
}

variable "packages" {
  description = "The folder with one FUNCTION.zip for each function, as infra/package makes it."
  type        = string
  default     = "../target/packages"
}

variable "endpoint" {
  description = "The address of an emulator to use in place of AWS, such as http://127.0.0.1:4566."
  type        = string
  default     = null

  validation {
    condition     = var.endpoint == null || can(regex("^http://(127\\.0\\.0\\.1|localhost):[0-9]+$", var.endpoint))
    error_message = "An emulator listens on the loopback address: http://127.0.0.1:PORT."
  }
}
