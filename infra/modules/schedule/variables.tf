variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "tasks" {
  description = "Each task and when it runs: rate(15 minutes) or cron(0 3 * * ? *), in UTC."
  type        = map(string)

  validation {
    condition     = alltrue([for rate in values(var.tasks) : can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\([^ ()]+( [^ ()]+){5}\\))$", rate))])
    error_message = "A task runs by rate(15 minutes), in minutes, hours or days, or by cron(0 3 * * ? *), of six fields."
  }
}

variable "function" {
  description = "The function that does the tasks."
  type = object({
    name  = string
    alias = string
    arn   = string
  })
}

variable "account" {
  description = "The account's id: no other account's schedules may use the role."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "account: twelve digits."
  }
}

variable "dead_letters" {
  description = "The name of the queue for tasks that failed for good."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.dead_letters))
    error_message = "A queue's name has 1 to 80 letters, digits, hyphens and underscores."
  }
}
