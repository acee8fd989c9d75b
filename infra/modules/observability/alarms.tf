resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  of_function = merge([
    for key, function in var.functions : {
      "${function.name}-errors" = {
        about     = "${key} crashed, ran out of time or of memory"
        namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = function.name }
        statistic = "Sum", percentile = null, threshold = 0, minutes = 5, periods = 1
      }
      "${function.name}-throttles" = {
        about     = "${key} was called more often at once than its concurrency allows"
        namespace = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = function.name }
        statistic = "Sum", percentile = null, threshold = 0, minutes = 5, periods = 1
      }
      "${function.name}-p95" = {
        about     = "one call in twenty of ${key} takes longer than ${function.p95_ms} ms"
        namespace = "AWS/Lambda", metric = "Duration", dimensions = { FunctionName = function.name }
        statistic = null, percentile = "p95", threshold = function.p95_ms, minutes = 5, periods = 3
      }
    }
  ]...)
  alarms = merge(local.of_function, {
    "${var.name}-gateway-5xx" = {
      about     = "the gateway answers with server errors"
      namespace = "AWS/ApiGateway", metric = "5xx", dimensions = { ApiId = var.api_id }
      statistic = "Sum", percentile = null, threshold = 0, minutes = 5, periods = 2
    }
    "${var.name}-table-throttles" = {
      about     = "DynamoDB refuses reads or writes of the table"
      namespace = "AWS/DynamoDB", metric = "ThrottledRequests", dimensions = { TableName = var.table }
      statistic = "Sum", percentile = null, threshold = 0, minutes = 5, periods = 1
    }
    "${var.dead_letters}-waiting" = {
      about     = "scheduled tasks failed for good and wait in the queue"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_letters }
      statistic = "Maximum", percentile = null, threshold = 0, minutes = 5, periods = 1
    }
  })
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = each.key
  alarm_description   = each.value.about
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  extended_statistic  = each.value.percentile
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.minutes * 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
