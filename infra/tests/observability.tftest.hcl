# The alarms and the dashboard.
mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name         = "tidegate"
  region       = "eu-west-1"
  functions    = { mcp = { name = "tidegate-mcp", p95_ms = 5000 } }
  api_id       = "the-api"
  access_log   = "the-log"
  table        = "the-table"
  dead_letters = "tidegate-dead-letters"
  key_arn      = "arn:aws:kms:eu-west-1:111122223333:key/the-key"
  emails       = ["ops@example.com"]
  topics       = ["arn:aws:sns:eu-west-1:444455556666:pager"]
  cache        = { name = "the-cache", storage_gb = 5, ecpu_per_second = 2000 }
  firewall     = { acl = "tidegate", rules = ["callers", "rate"] }
}

run "the_alarms" {
  command = plan

  module {
    source = "./modules/observability"
  }

  # CloudWatch takes any metric. One with other dimensions than AWS sends has no value, and its alarm never sounds.
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => "${alarm.namespace} ${alarm.metric_name} ${jsonencode(alarm.dimensions)}" } == {
      "tidegate-mcp-errors"            = "AWS/Lambda Errors {\"FunctionName\":\"tidegate-mcp\"}"
      "tidegate-mcp-throttles"         = "AWS/Lambda Throttles {\"FunctionName\":\"tidegate-mcp\"}"
      "tidegate-mcp-p95"               = "AWS/Lambda Duration {\"FunctionName\":\"tidegate-mcp\"}"
      "tidegate-server-errors"         = "Tidegate tidegate-server-errors {}"
      "tidegate-table-read-throttles"  = "AWS/DynamoDB ReadThrottleEvents {\"TableName\":\"the-table\"}"
      "tidegate-table-write-throttles" = "AWS/DynamoDB WriteThrottleEvents {\"TableName\":\"the-table\"}"
      "tidegate-dead-letters-waiting"  = "AWS/SQS ApproximateNumberOfMessagesVisible {\"QueueName\":\"tidegate-dead-letters\"}"
      "tidegate-cache-storage"         = "AWS/ElastiCache BytesUsedForCache {\"clusterId\":\"the-cache\"}"
      "tidegate-cache-units"           = "AWS/ElastiCache ElastiCacheProcessingUnits {\"clusterId\":\"the-cache\"}"
    }
    error_message = jsonencode({ for name, alarm in aws_cloudwatch_metric_alarm.this : name => [alarm.namespace, alarm.metric_name, alarm.dimensions] })
  }

  # When each sounds: statistic, threshold, length of a period in seconds, periods in a row. The cache's are at four fifths of its
  # limits: 4 of 5 GB, and 2000 × 0.8 × 300 units in five minutes.
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => "${try(coalesce(alarm.statistic, alarm.extended_statistic), "none")} ${alarm.comparison_operator} ${alarm.threshold}, ${alarm.period} s, ${alarm.evaluation_periods}"
      } == {
      "tidegate-mcp-errors"            = "Sum GreaterThanThreshold 0, 300 s, 1"
      "tidegate-mcp-throttles"         = "Sum GreaterThanThreshold 0, 300 s, 1"
      "tidegate-mcp-p95"               = "p95 GreaterThanThreshold 5000, 300 s, 3"
      "tidegate-server-errors"         = "Sum GreaterThanThreshold 0, 300 s, 2"
      "tidegate-table-read-throttles"  = "Sum GreaterThanThreshold 0, 300 s, 1"
      "tidegate-table-write-throttles" = "Sum GreaterThanThreshold 0, 300 s, 1"
      "tidegate-dead-letters-waiting"  = "Maximum GreaterThanThreshold 0, 300 s, 1"
      "tidegate-cache-storage"         = "Maximum GreaterThanThreshold 4000000000, 300 s, 1"
      "tidegate-cache-units"           = "Sum GreaterThanThreshold 480000, 300 s, 1"
    }
    error_message = jsonencode({ for name, alarm in aws_cloudwatch_metric_alarm.this : name => [alarm.statistic, alarm.extended_statistic, alarm.comparison_operator, alarm.threshold, alarm.period, alarm.evaluation_periods] })
  }

  # What nobody calls has no values.
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == "notBreaching"])
    error_message = "An alarm sounds while nobody calls."
  }

  # 502 and 504 are about a tenant's database, which is no fault of the deployment.
  assert {
    condition     = aws_cloudwatch_log_metric_filter.server_errors.log_group_name == "the-log" && toset(regexall("[0-9]+", aws_cloudwatch_log_metric_filter.server_errors.pattern)) == toset(["500", "503"])
    error_message = aws_cloudwatch_log_metric_filter.server_errors.pattern
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.server_errors.metric_transformation[0].namespace == aws_cloudwatch_metric_alarm.this["tidegate-server-errors"].namespace && aws_cloudwatch_log_metric_filter.server_errors.metric_transformation[0].name == aws_cloudwatch_metric_alarm.this["tidegate-server-errors"].metric_name
    error_message = "The alarm looks at another metric than is made."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn, "arn:aws:sns:eu-west-1:444455556666:pager"]) && alarm.ok_actions == alarm.alarm_actions])
    error_message = "Somebody is not told of an alarm, or of its end."
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.key_arn
    error_message = "The topic is not encrypted."
  }

  assert {
    condition     = { for email, subscription in aws_sns_topic_subscription.email : email => [subscription.topic_arn, subscription.protocol, subscription.endpoint] } == { "ops@example.com" = [aws_sns_topic.alarms.arn, "email", "ops@example.com"] }
    error_message = jsonencode(aws_sns_topic_subscription.email)
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 9
    error_message = "A graph is missing."
  }

  assert {
    condition = [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.metrics if widget.properties.region == "us-east-1"] == [[
      ["AWS/WAFV2", "BlockedRequests", "WebACL", "tidegate", "Rule", "callers"],
      ["AWS/WAFV2", "BlockedRequests", "WebACL", "tidegate", "Rule", "rate"],
    ]]
    error_message = "What the firewall refuses is not shown where it is counted."
  }
}

run "without_a_cache_and_topics_of_others" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    emails = []
    topics = []
    cache  = null
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 7 && length(aws_sns_topic_subscription.email) == 0
    error_message = jsonencode(keys(aws_cloudwatch_metric_alarm.this))
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "An alarm tells another topic."
  }
}

run "an_alarm_has_a_threshold_and_listeners" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    functions = { mcp = { name = "tidegate-mcp", p95_ms = 0 } }
    emails    = ["ops"]
    topics    = ["arn:aws:sqs:eu-west-1:444455556666:pager"]
    cache     = { name = "the-cache", storage_gb = 0, ecpu_per_second = 2000 }
  }

  expect_failures = [var.functions, var.emails, var.topics, var.cache]
}

run "an_alarm_tells_topics_of_its_region" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    topics = ["arn:aws:sns:us-east-1:444455556666:pager"]
  }

  expect_failures = [var.topics]
}
