variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "tasks" {
  description = "Each task and when it runs: rate(15 minutes) or cron(0 3 * * ? *), in UTC."
  type        = map(string)
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
}

variable "dead_letters" {
  description = "The name of the queue for tasks that failed for good."
  type        = string
}
