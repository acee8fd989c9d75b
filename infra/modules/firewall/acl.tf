# Who comes through. Of the managed rules only those which look for attacks on software: those against SQL and scripts in
# bodies would refuse what this API is for.
resource "aws_wafv2_web_acl" "this" {
  name  = var.name
  scope = "CLOUDFRONT"

  default_action {
    allow {}
  }

  dynamic "rule" {
    for_each = length(var.callers) == 0 ? [] : [0]

    content {
      name     = "callers"
      priority = 0

      action {
        block {
          custom_response {
            response_code            = 403
            custom_response_body_key = "forbidden"
          }
        }
      }

      statement {
        not_statement {
          statement {
            or_statement {
              statement {
                ip_set_reference_statement {
                  arn = aws_wafv2_ip_set.callers["IPV4"].arn
                }
              }

              statement {
                ip_set_reference_statement {
                  arn = aws_wafv2_ip_set.callers["IPV6"].arn
                }
              }
            }
          }
        }
      }

      visibility_config {
        metric_name                = "callers"
        cloudwatch_metrics_enabled = true
        sampled_requests_enabled   = false
      }
    }
  }

  rule {
    name     = "rate"
    priority = 1

    action {
      block {
        custom_response {
          response_code            = 429
          custom_response_body_key = "rate_limited"

          response_header {
            name  = "retry-after"
            value = "300"
          }
        }
      }
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        limit                 = var.requests_per_5_minutes
        evaluation_window_sec = 300
      }
    }

    visibility_config {
      metric_name                = "rate"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "reputation"
    priority = 2

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesAmazonIpReputationList"
      }
    }

    visibility_config {
      metric_name                = "reputation"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "known-bad-inputs"
    priority = 3

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesKnownBadInputsRuleSet"
      }
    }

    visibility_config {
      metric_name                = "known-bad-inputs"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  dynamic "custom_response_body" {
    for_each = local.refusals

    content {
      key          = custom_response_body.key
      content_type = "APPLICATION_JSON"
      content      = jsonencode(merge({ type = "about:blank", code = custom_response_body.key }, custom_response_body.value))
    }
  }

  # A sample would show the headers of a call, and its API key with them.
  visibility_config {
    metric_name                = var.name
    cloudwatch_metrics_enabled = true
    sampled_requests_enabled   = false
  }
}

# They are there without ranges too: AWS deletes no set that a rule still refers to.
resource "aws_wafv2_ip_set" "callers" {
  for_each = { IPV4 = false, IPV6 = true }

  name               = "${var.name}-callers-${lower(each.key)}"
  scope              = "CLOUDFRONT"
  ip_address_version = each.key
  addresses          = [for range in var.callers : range if strcontains(range, ":") == each.value]
}

locals {
  rules = concat(length(var.callers) == 0 ? [] : ["callers"], ["rate", "reputation", "known-bad-inputs"])
  # What the functions answer with, as far as the firewall can say it.
  refusals = {
    forbidden    = { status = 403, title = "Forbidden", detail = "this deployment does not answer your address: have it added to `caller_networks.allow` of the environment" }
    rate_limited = { status = 429, title = "Too Many Requests", detail = "too many calls came from your address in the last five minutes: wait, and call less often" }
  }
}
