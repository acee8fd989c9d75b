output "dead_letters_url" {
  description = "The URL of the queue of failed tasks."
  value       = aws_sqs_queue.dead_letters.url
}

output "policy" {
  description = "What the scheduler's role may do, as data."
  value       = local.policy
}
