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
  topics        = concat([aws_sns_topic.alarms.arn], var.topics)
  server_errors = { namespace = "Tidegate", name = "${var.name}-server-errors" }
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
  of_table = {
    for kind in ["Read", "Write"] : "${var.name}-table-${lower(kind)}-throttles" => {
      about     = "DynamoDB refuses ${lower(kind)}s of the table"
      namespace = "AWS/DynamoDB", metric = "${kind}ThrottleEvents", dimensions = { TableName = var.table }
      statistic = "Sum", percentile = null, threshold = 0, minutes = 5, periods = 1
    }
  }
  of_cache = merge([
    for cache in var.cache[*] : {
      "${var.name}-cache-storage" = {
        about     = "the cache holds four fifths of what it may"
        namespace = "AWS/ElastiCache", metric = "BytesUsedForCache", dimensions = { clusterId = cache.name }
        statistic = "Maximum", percentile = null, threshold = cache.storage_gb * 800000000, minutes = 5, periods = 1
      }
      "${var.name}-cache-units" = {
        about     = "the cache does four fifths of the work that it may"
        namespace = "AWS/ElastiCache", metric = "ElastiCacheProcessingUnits", dimensions = { clusterId = cache.name }
        statistic = "Sum", percentile = null, threshold = cache.ecpu_per_second * 0.8 * 300, minutes = 5, periods = 1
      }
    }
  ]...)
  alarms = merge(local.of_function, local.of_table, local.of_cache, {
    "${var.name}-server-errors" = {
      about     = "calls fail because of the deployment itself"
      namespace = local.server_errors.namespace, metric = local.server_errors.name, dimensions = {}
      statistic = "Sum", percentile = null, threshold = 0, minutes = 5, periods = 2
    }
    "${var.dead_letters}-waiting" = {
      about     = "scheduled tasks failed for good and wait in the queue"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_letters }
      statistic = "Maximum", percentile = null, threshold = 0, minutes = 5, periods = 1
    }
  })
}

# The gateway's own metric of 5xx counts 502 and 504 too, which are the answers about a tenant's database.
resource "aws_cloudwatch_log_metric_filter" "server_errors" {
  name           = local.server_errors.name
  log_group_name = var.access_log
  pattern        = "{ ($.status = \"500\") || ($.status = \"503\") }"

  metric_transformation {
    namespace = local.server_errors.namespace
    name      = local.server_errors.name
    value     = "1"
  }
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
  alarm_actions       = local.topics
  ok_actions          = local.topics
}
