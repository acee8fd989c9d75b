# What each module builds of its variables.
mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  key_arn = "arn:aws:kms:eu-west-1:111122223333:key/the-key"
  arn     = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-mcp"
}

run "the_table_is_the_one_that_the_code_makes" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    name      = "tidegate"
    protected = true
  }

  assert {
    condition     = aws_dynamodb_table.this.hash_key == "pk" && aws_dynamodb_table.this.range_key == "sk"
    error_message = "The keys are others."
  }

  assert {
    condition     = { for attribute in aws_dynamodb_table.this.attribute : attribute.name => attribute.type } == { pk = "S", sk = "S" }
    error_message = "The keys are not both text, or there are others."
  }

  assert {
    condition     = aws_dynamodb_table.this.ttl[0].attribute_name == "expires" && aws_dynamodb_table.this.ttl[0].enabled
    error_message = "What expires would stay."
  }

  assert {
    condition     = aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST" && length(aws_dynamodb_table.this.global_secondary_index) == 0
    error_message = "The table costs while nobody uses it."
  }

  assert {
    condition     = aws_dynamodb_table.this.point_in_time_recovery[0].enabled && aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "The table can be lost."
  }

  assert {
    condition     = aws_dynamodb_table.this.server_side_encryption[0].kms_key_arn == var.key_arn
    error_message = "The table is not encrypted with the deployment's key."
  }
}

run "the_master_key_can_be_brought_back" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    prefix        = "tidegate"
    recovery_days = 30
    account       = "111122223333"
    partition     = "aws"
    region        = "eu-west-1"
  }

  assert {
    condition     = aws_secretsmanager_secret.master_key.recovery_window_in_days == 30 && aws_secretsmanager_secret.master_key.kms_key_id == var.key_arn
    error_message = "A deleted master key is gone, or it is not encrypted with the deployment's key."
  }

  assert {
    condition     = output.sources == "tidegate/sources/" && endswith(output.sources_arn, ":secret:tidegate/sources/*")
    error_message = "The pattern of the sources' secrets takes in others."
  }
}

run "the_key_is_for_this_account_and_rotates" {
  command = plan

  module {
    source = "./modules/key"
  }

  variables {
    name          = "tidegate"
    deletion_days = 30
    account       = "111122223333"
    partition     = "aws"
    region        = "eu-west-1"
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key does not rotate, or can be lost."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      try(statement.Principal.AWS, "") == "arn:aws:iam::111122223333:root" || (can(statement.Principal.Service) && can(statement.Condition))
    ])
    error_message = "Somebody outside of the account may use the key."
  }
}

run "a_function" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name         = "tidegate-mcp"
    package      = "versions.tf" # any file has a hash
    architecture = "arm64"
    memory_mb    = 1024
    timeout_s    = 29
    environment  = {}
    permissions  = []
    log_days     = 365
    tracing      = true
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 365 && aws_cloudwatch_log_group.this.kms_key_id == var.key_arn
    error_message = "Its log is kept for another time, or not encrypted with the deployment's key."
  }

  assert {
    condition     = aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.publish
    error_message = "It is another kind of function."
  }

  assert {
    condition     = length(aws_lambda_function.this.layers) == 0
    error_message = "It has layers that nobody asked for."
  }

  assert {
    condition     = length(aws_lambda_function_url.this) == 0 && length(aws_lambda_provisioned_concurrency_config.this) == 0 && length(aws_lambda_function.this.vpc_config) == 0
    error_message = "It has what nobody asked for."
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "It is not traced."
  }
}

run "a_function_with_every_option" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name         = "tidegate-mcp"
    package      = "versions.tf" # any file has a hash
    architecture = "arm64"
    memory_mb    = 1024
    timeout_s    = 29
    concurrency  = 10
    provisioned  = 2
    environment  = {}
    permissions  = []
    log_days     = 365
    tracing      = false
    layers       = ["arn:aws:lambda:eu-west-1:111122223333:layer:collector:1"]
    network      = { subnets = ["subnet-1"], security_groups = ["sg-1"] }
    has_url      = true
  }

  assert {
    condition     = aws_lambda_function_url.this[0].invoke_mode == "RESPONSE_STREAM" && aws_lambda_function_url.this[0].qualifier == "live"
    error_message = "Its URL does not stream, or leads to another version."
  }

  assert {
    condition     = jsondecode(aws_cloudformation_stack.url_permission[0].template_body).Resources.Permission.Properties.InvokedViaFunctionUrl
    error_message = "Anybody could call the function, not only its URL."
  }

  assert {
    condition     = aws_lambda_function.this.layers == tolist(["arn:aws:lambda:eu-west-1:111122223333:layer:collector:1"])
    error_message = "Its layers are others: ${jsonencode(aws_lambda_function.this.layers)}"
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.this[0].provisioned_concurrent_executions == 2 && aws_lambda_function.this.reserved_concurrent_executions == 10
    error_message = "Its concurrency is another."
  }

  assert {
    condition     = contains(output.permissions, "ec2:CreateNetworkInterface on *") && !contains(output.permissions, "xray:PutTraceSegments on *")
    error_message = jsonencode(output.permissions)
  }

  # The code of the function may do nothing of what Lambda may do with the role.
  assert {
    condition = alltrue([
      for line in output.permissions : contains(output.permissions, "never ${line} when lambda:SourceFunctionArn is ${var.arn}")
      if startswith(line, "ec2:")
    ])
    error_message = jsonencode(output.permissions)
  }
}

run "variables_fit_into_4_kb" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name         = "tidegate-mcp"
    package      = "versions.tf" # any file has a hash
    architecture = "arm64"
    memory_mb    = 1024
    timeout_s    = 29
    environment  = { A = format("%4087s", "x") } # and 8 bytes of {"A":""}
    permissions  = []
    log_days     = 365
    tracing      = false
  }
}

# AWS's list of the addresses of CloudFront has 55 at most; each is as long here as one can be.
run "a_firewall_s_addresses_fit_into_4_kb" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name         = "tidegate-mcp"
    package      = "versions.tf" # any file has a hash
    architecture = "arm64"
    memory_mb    = 1024
    timeout_s    = 29
    environment = {
      TIDEGATE_CONFIG = jsonencode({ caller_networks = { allow = [for i in range(55) : "255.255.1${format("%02d", i)}.128/25"] } })
      ELSE            = format("%2560s", "x")
    }
    permissions = []
    log_days    = 365
    tracing     = false
  }
}

run "variables_beyond_4_kb_are_refused" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name         = "tidegate-mcp"
    package      = "versions.tf" # any file has a hash
    architecture = "arm64"
    memory_mb    = 1024
    timeout_s    = 29
    environment  = { A = format("%4088s", "x") }
    permissions  = []
    log_days     = 365
    tracing      = false
  }

  expect_failures = [var.environment]
}

run "no_wildcard_permission" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name         = "tidegate-mcp"
    package      = "versions.tf" # any file has a hash
    architecture = "arm64"
    memory_mb    = 1024
    timeout_s    = 29
    environment  = {}
    permissions  = [{ actions = ["dynamodb:*"], resources = ["arn:aws:dynamodb:eu-west-1:111122223333:table/the-table"] }]
    log_days     = 365
    tracing      = false
  }

  expect_failures = [var.permissions]
}

run "the_schedule" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    name         = "tidegate"
    tasks        = { purge = "rate(1 day)" }
    function     = { name = "tidegate-sync", alias = "live", arn = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-sync:live" }
    account      = "111122223333"
    dead_letters = "tidegate-dead-letters"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[*].Condition == [{ StringEquals = { "aws:SourceAccount" = "111122223333" } }]
    error_message = "Schedules of another account may use the role: ${aws_iam_role.this.assume_role_policy}"
  }

  assert {
    condition     = jsondecode(aws_scheduler_schedule.this["purge"].target[0].input) == { task = "purge" }
    error_message = "The function is not told its task."
  }

  assert {
    condition     = aws_scheduler_schedule.this["purge"].target[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn && aws_lambda_function_event_invoke_config.this.destination_config[0].on_failure[0].destination == aws_sqs_queue.dead_letters.arn
    error_message = "A task that fails for good is lost."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[*].Action == [["lambda:InvokeFunction"], ["sqs:SendMessage"]] && jsondecode(aws_iam_role_policy.this.policy).Statement[*].Resource == [[var.function.arn], [aws_sqs_queue.dead_letters.arn]]
    error_message = "The scheduler may do more than call the function: ${aws_iam_role_policy.this.policy}"
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "The queue is not encrypted."
  }
}

run "the_alarms" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    name         = "tidegate"
    region       = "eu-west-1"
    functions    = { mcp = { name = "tidegate-mcp", p95_ms = 5000 } }
    api_id       = "the-api"
    access_log   = "the-log"
    table        = "the-table"
    dead_letters = "tidegate-dead-letters"
    emails       = ["ops@example.com"]
    cache        = { name = "the-cache", storage_gb = 5, ecpu_per_second = 2000 }
    firewall     = { acl = "tidegate", rules = ["callers", "rate"] }
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

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["tidegate-cache-storage"].threshold == 4000000000 && aws_cloudwatch_metric_alarm.this["tidegate-cache-units"].threshold == 480000
    error_message = "The cache's alarms are not at four fifths of its limits."
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
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "Nobody is told of an alarm."
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.key_arn && length(aws_sns_topic_subscription.email) == 1
    error_message = "The topic is not encrypted, or nobody reads it."
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

run "a_network" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name   = "tidegate"
    region = "eu-west-1"
    cidr   = "10.20.0.0/16"
    nat    = false
  }

  assert {
    condition     = data.aws_availability_zones.this.exclude_zone_ids == toset(["use1-az3"]) && one(data.aws_availability_zones.this.filter).name == "opt-in-status" && one(data.aws_availability_zones.this.filter).values == toset(["opt-in-not-required"])
    error_message = "A subnet could be in a zone that has no Lambda."
  }

  assert {
    condition     = aws_subnet.private[*].cidr_block == ["10.20.0.0/20", "10.20.16.0/20"] && length(aws_subnet.public) == 0 && length(aws_nat_gateway.this) == 0
    error_message = "The functions are not in two private subnets."
  }

  assert {
    condition     = aws_vpc_endpoint.dynamodb.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.secrets_manager.private_dns_enabled
    error_message = "Calls of AWS leave the network."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints.from_port == 443 && aws_vpc_security_group_ingress_rule.endpoints.to_port == 443 && aws_vpc_security_group_ingress_rule.endpoints.cidr_ipv4 == null
    error_message = "The endpoints take more than HTTPS of the functions."
  }
}

run "a_network_with_a_way_out" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name   = "tidegate"
    region = "eu-west-1"
    cidr   = "10.20.0.0/16"
    nat    = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && aws_route.private[0].destination_cidr_block == "0.0.0.0/0" && aws_subnet.public[0].map_public_ip_on_launch != true
    error_message = "There is no way out, or something in the network has an address of its own."
  }
}

run "a_cache" {
  command = plan

  module {
    source = "./modules/cache"
  }

  variables {
    name            = "tidegate"
    subnets         = ["subnet-1", "subnet-2"]
    security_groups = ["sg-1", "sg-2"]
    storage_gb      = 5
    ecpu_per_second = 2000
  }

  assert {
    condition     = aws_elasticache_serverless_cache.this.engine == "valkey" && aws_elasticache_serverless_cache.this.kms_key_id == var.key_arn
    error_message = "It is another cache, or not encrypted with the deployment's key."
  }

  assert {
    condition     = aws_elasticache_serverless_cache.this.cache_usage_limits[0].data_storage[0].maximum == 5 && aws_elasticache_serverless_cache.this.cache_usage_limits[0].ecpu_per_second[0].maximum == 2000
    error_message = "It costs without an end."
  }

  assert {
    condition     = aws_elasticache_serverless_cache.this.subnet_ids == toset(var.subnets) && tolist(aws_vpc_security_group_ingress_rule.this[*].referenced_security_group_id) == var.security_groups && alltrue([for rule in aws_vpc_security_group_ingress_rule.this : rule.cidr_ipv4 == null && rule.from_port == 6379 && rule.to_port == 6380])
    error_message = "Others than the functions can connect, or the functions cannot."
  }
}

run "a_cache_is_in_two_zones" {
  command = plan

  module {
    source = "./modules/cache"
  }

  variables {
    name            = "tidegate"
    subnets         = ["subnet-1"]
    security_groups = ["sg-1"]
    storage_gb      = 5
    ecpu_per_second = 2000
  }

  expect_failures = [var.subnets]
}
