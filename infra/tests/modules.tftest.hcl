# What each module builds of its variables.
mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  key_arn = "arn:aws:kms:eu-west-1:111122223333:key/the-key"
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
    condition     = aws_lambda_provisioned_concurrency_config.this[0].provisioned_concurrent_executions == 2 && aws_lambda_function.this.reserved_concurrent_executions == 10
    error_message = "Its concurrency is another."
  }

  assert {
    condition     = contains(output.permissions, "ec2:CreateNetworkInterface on *") && !contains(output.permissions, "xray:PutTraceSegments on *")
    error_message = jsonencode(output.permissions)
  }
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
    dead_letters = "tidegate-dead-letters"
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
    table        = "tidegate"
    dead_letters = "tidegate-dead-letters"
    emails       = ["ops@example.com"]
  }

  assert {
    condition     = toset(output.alarms) == toset(["tidegate-mcp-errors", "tidegate-mcp-throttles", "tidegate-mcp-p95", "tidegate-gateway-5xx", "tidegate-table-throttles", "tidegate-dead-letters-waiting"])
    error_message = jsonencode(output.alarms)
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
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 8
    error_message = "A graph is missing."
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
