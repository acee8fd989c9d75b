output "subnets" {
  description = "The subnets of the functions."
  value       = aws_subnet.private[*].id
}

output "security_group" {
  description = "The security group of the functions."
  value       = aws_security_group.functions.id
}

output "address" {
  description = "The address that databases see the functions come from, when they reach the internet."
  value       = one(aws_eip.nat[*].public_ip)
}
