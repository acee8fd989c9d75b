resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, graph in local.graphs : {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          region  = try(graph.region, var.region)
          view    = "timeSeries"
          period  = 300
          stat    = graph.stat
          metrics = graph.metrics
        }
      }
    ]
  })
}

locals {
  names = [for function in values(var.functions) : function.name]
  per_function = [
    { title = "Calls", stat = "Sum", metric = "Invocations" },
    { title = "Errors", stat = "Sum", metric = "Errors" },
    { title = "Duration, p95 (ms)", stat = "p95", metric = "Duration" },
    { title = "At once", stat = "Maximum", metric = "ConcurrentExecutions" },
    { title = "Throttles", stat = "Sum", metric = "Throttles" },
  ]
  graphs = concat(
    [
      {
        title = "Gateway: answers", stat = "Sum",
        metrics = [
          ["AWS/ApiGateway", "Count", "ApiId", var.api_id],
          ["AWS/ApiGateway", "4xx", "ApiId", var.api_id],
          ["AWS/ApiGateway", "5xx", "ApiId", var.api_id],
        ]
      },
      {
        title = "Gateway: latency, p95 (ms)", stat = "p95",
        metrics = [
          ["AWS/ApiGateway", "Latency", "ApiId", var.api_id],
          ["AWS/ApiGateway", "IntegrationLatency", "ApiId", var.api_id],
        ]
      },
    ],
    [
      for graph in local.per_function : {
        title   = graph.title, stat = graph.stat,
        metrics = [for name in local.names : ["AWS/Lambda", graph.metric, "FunctionName", name]]
      }
    ],
    [
      {
        title = "Table: units", stat = "Sum",
        metrics = [
          ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", var.table],
          ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", var.table],
        ]
      },
    ],
    [
      for firewall in var.firewall[*] : {
        # Web ACLs of CloudFront report there.
        title   = "Firewall: refused", stat = "Sum", region = "us-east-1"
        metrics = [for rule in firewall.rules : ["AWS/WAFV2", "BlockedRequests", "WebACL", firewall.acl, "Rule", rule]]
      }
    ],
  )
}
