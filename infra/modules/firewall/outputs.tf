output "urls" {
  description = "The base addresses that callers use: the domains in their order, then the one that AWS gave the distribution."
  value       = concat([for domain in var.domains : "https://${domain.name}"], [local.url])
}

output "default_url" {
  description = "The address that AWS gave the distribution."
  value       = local.url
}

output "domain_targets" {
  description = "For each domain the host name that its DNS record has to lead to."
  value       = { for domain in var.domains : domain.name => aws_cloudfront_distribution.this.domain_name }
}

output "networks" {
  description = "The ranges of addresses that CloudFront calls the gateway from."
  value       = sort(data.aws_ec2_managed_prefix_list.cloudfront.entries[*].cidr)

  # The functions take an empty list for every address.
  precondition {
    condition     = length(data.aws_ec2_managed_prefix_list.cloudfront.entries) > 0
    error_message = "AWS gives no addresses of CloudFront: the list ${data.aws_ec2_managed_prefix_list.cloudfront.name} is empty."
  }
}

output "acl" {
  description = "The name of the web ACL in its metrics."
  value       = aws_wafv2_web_acl.this.name
}

output "rules" {
  description = "The names of its rules in their metrics."
  value       = local.rules
}
