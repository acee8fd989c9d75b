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

run "a_table_has_a_name_and_a_key" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    name      = "the table"
    key_arn   = "alias/aws/dynamodb"
    protected = true
  }

  expect_failures = [var.name, var.key_arn]
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

run "the_schedule" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    name         = "tidegate"
    tasks        = { purge = "rate(1 day)", source_health = "cron(0/15 * ? * MON-FRI *)" }
    function     = { name = "tidegate-sync", alias = "live", arn = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-sync:live" }
    account      = "111122223333"
    dead_letters = "tidegate-dead-letters"
  }

  assert {
    condition     = { for name, schedule in aws_scheduler_schedule.this : name => schedule.schedule_expression } == { purge = "rate(1 day)", source_health = "cron(0/15 * ? * MON-FRI *)" }
    error_message = "A task runs at other times."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.group_name == "tidegate" && one(schedule.flexible_time_window).mode == "FLEXIBLE" && one(schedule.flexible_time_window).maximum_window_in_minutes == 5])
    error_message = "A schedule is in another group, or every task of a quarter of an hour begins in the same second."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : one(schedule.target).arn == var.function.arn && one(schedule.target).role_arn == aws_iam_role.this.arn])
    error_message = "A schedule calls something else, or by another role."
  }

  assert {
    condition     = { for name, schedule in aws_scheduler_schedule.this : name => jsondecode(one(schedule.target).input) } == { purge = { task = "purge" }, source_health = { task = "source_health" } }
    error_message = "The function is not told its task."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : one(one(schedule.target).retry_policy).maximum_event_age_in_seconds == 3600 && one(one(schedule.target).retry_policy).maximum_retry_attempts == 3 && one(one(schedule.target).dead_letter_config).arn == aws_sqs_queue.dead_letters.arn])
    error_message = "A task that the scheduler cannot give to the function is tried for another time, or lost."
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this.function_name == "tidegate-sync" && aws_lambda_function_event_invoke_config.this.qualifier == "live" && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 3600 && aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 2 && aws_lambda_function_event_invoke_config.this.destination_config[0].on_failure[0].destination == aws_sqs_queue.dead_letters.arn
    error_message = "A task that fails is tried for another time, or lost."
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.name == "tidegate-dead-letters" && aws_sqs_queue.dead_letters.message_retention_seconds == 1209600 && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "The queue is another, is not encrypted, or forgets within two weeks."
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy) == {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Service = "scheduler.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:SourceAccount" = "111122223333" } }
      }]
    }
    error_message = "Others than this account's schedules may use the role: ${aws_iam_role.this.assume_role_policy}"
  }

  assert {
    condition = aws_iam_role_policy.this.role == aws_iam_role.this.id && jsondecode(aws_iam_role_policy.this.policy) == {
      Version = "2012-10-17"
      Statement = [
        { Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = [var.function.arn] },
        { Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [aws_sqs_queue.dead_letters.arn] },
      ]
    }
    error_message = "The scheduler may do more than call the function: ${aws_iam_role_policy.this.policy}"
  }
}

run "a_schedule_knows_its_units_and_fields" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    name         = "tidegate"
    tasks        = { purge = "rate(2 fortnights)" }
    function     = { name = "tidegate-sync", alias = "live", arn = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-sync:live" }
    account      = "1111"
    dead_letters = "dead letters"
  }

  expect_failures = [var.tasks, var.account, var.dead_letters]
}

run "a_cron_has_six_fields" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    name         = "tidegate"
    tasks        = { purge = "cron(0 3 * * *)" }
    function     = { name = "tidegate-sync", alias = "live", arn = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-sync:live" }
    account      = "111122223333"
    dead_letters = "tidegate-dead-letters"
  }

  expect_failures = [var.tasks]
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
