# What CloudFront calls: the gateway, with everything that the caller sent but the name it was called by.
resource "aws_cloudfront_distribution" "this" {
  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  aliases         = var.domains[*].name
  web_acl_id      = aws_wafv2_web_acl.this.arn

  origin {
    origin_id   = "gateway"
    domain_name = var.gateway

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      # The gateway gives up after 30 seconds, and says so.
      origin_read_timeout = 35
    }
  }

  default_cache_behavior {
    target_origin_id       = "gateway"
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    cached_methods         = ["GET", "HEAD"]

    # AWS's own policies, the same in every account: CachingDisabled, AllViewerExceptHostHeader and SecurityHeadersPolicy. The
    # second passes cookies on too, so that CloudFront never answers two calls of one moment with one answer.
    cache_policy_id            = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    origin_request_policy_id   = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    response_headers_policy_id = "67f7725c-6f97-4210-82d7-5512b31e9d03"
  }

  # Without these an error would be kept for ten seconds, and answered to other callers of the same path.
  dynamic "custom_error_response" {
    for_each = toset([400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504])

    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = length(var.domains) == 0 ? true : null
    acm_certificate_arn            = try(var.domains[0].certificate_arn, null)
    ssl_support_method             = length(var.domains) == 0 ? null : "sni-only"
    # CloudFront decides for its own names.
    minimum_protocol_version = length(var.domains) == 0 ? "TLSv1" : "TLSv1.2_2021"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }
}

resource "aws_route53_record" "this" {
  for_each = merge([
    for domain in var.domains : {
      for type in ["A", "AAAA"] : "${domain.name} ${type}" => { name = domain.name, zone_id = domain.zone_id, type = type }
    } if domain.zone_id != null
  ]...)

  zone_id = each.value.zone_id
  name    = each.value.name
  type    = each.value.type

  alias {
    name                   = aws_cloudfront_distribution.this.domain_name
    zone_id                = aws_cloudfront_distribution.this.hosted_zone_id
    evaluate_target_health = false
  }
}

# The addresses that CloudFront calls from. AWS keeps 55 at most in the list.
data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}

locals {
  url = "https://${aws_cloudfront_distribution.this.domain_name}"
}
