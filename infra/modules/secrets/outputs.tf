output "master_key" {
  description = "The name of the secret that holds the master key."
  value       = aws_secretsmanager_secret.master_key.name
}

output "master_key_arn" {
  description = "Its ARN."
  value       = aws_secretsmanager_secret.master_key.arn
}

output "sources" {
  description = "What the names of the sources' secrets begin with."
  value       = "${var.prefix}/sources/"
}

output "sources_arn" {
  description = "The pattern of their ARNs."
  value       = "arn:${var.partition}:secretsmanager:${var.region}:${var.account}:secret:${var.prefix}/sources/*"
}
