output "topic_arn" {
  description = "The SNS topic that alarms are sent to; subscribe a pager to it."
  value       = aws_sns_topic.alarms.arn
}

output "alarms" {
  description = "The names of the alarms."
  value       = keys(local.alarms)
}
