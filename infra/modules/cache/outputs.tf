output "name" {
  description = "The cache's name."
  value       = aws_elasticache_serverless_cache.this.name
}

output "address" {
  description = "Where it listens, as HOST:PORT, for TLS."
  value       = "${aws_elasticache_serverless_cache.this.endpoint[0].address}:${aws_elasticache_serverless_cache.this.endpoint[0].port}"
}
