# A function, and what its role may do.
mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name         = "tidegate-mcp"
  arn          = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-mcp"
  package      = "versions.tf" # any file has a hash
  architecture = "arm64"
  memory_mb    = 1024
  timeout_s    = 29
  concurrency  = null
  provisioned  = 0
  environment  = { TIDEGATE_TABLE = "tidegate", TIDEGATE_URLS = "https://api.example.com" }
  permissions  = []
  log_days     = 365
  key_arn      = "arn:aws:kms:eu-west-1:111122223333:key/the-key"
  tracing      = true
  layers       = []
  network      = null
  has_url      = false
}

run "a_function" {
  command = plan

  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/tidegate-mcp" && aws_cloudwatch_log_group.this.retention_in_days == 365 && aws_cloudwatch_log_group.this.kms_key_id == var.key_arn
    error_message = "Its log is another, is kept for another time, or not encrypted with the deployment's key."
  }

  assert {
    condition     = aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.handler == "bootstrap" && aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.publish
    error_message = "It is another kind of function."
  }

  assert {
    condition     = aws_lambda_function.this.filename == var.package && aws_lambda_function.this.source_code_hash == filebase64sha256(var.package)
    error_message = "It runs something else, or another package would not be deployed."
  }

  assert {
    condition     = aws_lambda_function.this.memory_size == 1024 && aws_lambda_function.this.timeout == 29 && aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "Its limits are others: ${jsonencode([aws_lambda_function.this.memory_size, aws_lambda_function.this.timeout, aws_lambda_function.this.reserved_concurrent_executions])}"
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == var.environment
    error_message = "It is told something else: ${jsonencode(aws_lambda_function.this.environment)}"
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

  assert {
    condition     = aws_lambda_alias.live.name == "live" && aws_lambda_alias.live.function_name == "tidegate-mcp" && aws_lambda_alias.live.function_version == aws_lambda_function.this.version
    error_message = "Callers would reach another version than the one that was deployed."
  }
}

run "its_role" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    permissions = [
      { actions = ["dynamodb:PutItem"], resources = ["arn:aws:dynamodb:eu-west-1:111122223333:table/the-table"], keys = ["T#*", "SYNC"] },
      { actions = ["kms:Decrypt"], resources = [var.key_arn], services = ["dynamodb.eu-west-1.amazonaws.com"] },
      { effect = "Deny", actions = ["secretsmanager:DeleteSecret"], resources = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:a", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:b"], condition = { test = "Bool", key = "secretsmanager:ForceDeleteWithoutRecovery", values = ["true"] } },
    ]
  }

  assert {
    condition     = aws_lambda_function.this.role == aws_iam_role.this.arn && aws_iam_role_policy.this.role == aws_iam_role.this.id
    error_message = "The function has another role, or its role another policy."
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy) == {
      Version   = "2012-10-17"
      Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
    }
    error_message = "Others than Lambda can take the role: ${aws_iam_role.this.assume_role_policy}"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy) == {
      Version = "2012-10-17"
      Statement = [
        { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["${aws_cloudwatch_log_group.this.arn}:*"] },
        { Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], Resource = ["*"] },
        {
          Effect    = "Allow"
          Action    = ["dynamodb:PutItem"]
          Resource  = ["arn:aws:dynamodb:eu-west-1:111122223333:table/the-table"]
          Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["T#*", "SYNC"] } }
        },
        {
          Effect    = "Allow"
          Action    = ["kms:Decrypt"]
          Resource  = [var.key_arn]
          Condition = { StringEquals = { "kms:ViaService" = ["dynamodb.eu-west-1.amazonaws.com"] } }
        },
        {
          Effect    = "Deny"
          Action    = ["secretsmanager:DeleteSecret"]
          Resource  = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:a", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:b"]
          Condition = { Bool = { "secretsmanager:ForceDeleteWithoutRecovery" = ["true"] } }
        },
      ]
    }
    error_message = aws_iam_role_policy.this.policy
  }

  # permissions.tftest.hcl lists what every function may do by these lines.
  assert {
    condition = output.permissions == toset([
      "logs:CreateLogStream on ${aws_cloudwatch_log_group.this.arn}:*",
      "logs:PutLogEvents on ${aws_cloudwatch_log_group.this.arn}:*",
      "xray:PutTraceSegments on *",
      "xray:PutTelemetryRecords on *",
      "dynamodb:PutItem on arn:aws:dynamodb:eu-west-1:111122223333:table/the-table when ForAllValues:StringLike dynamodb:LeadingKeys T#*, SYNC",
      "kms:Decrypt on ${var.key_arn} when StringEquals kms:ViaService dynamodb.eu-west-1.amazonaws.com",
      "never secretsmanager:DeleteSecret on arn:aws:secretsmanager:eu-west-1:111122223333:secret:a when Bool secretsmanager:ForceDeleteWithoutRecovery true",
      "never secretsmanager:DeleteSecret on arn:aws:secretsmanager:eu-west-1:111122223333:secret:b when Bool secretsmanager:ForceDeleteWithoutRecovery true",
    ])
    error_message = jsonencode(output.permissions)
  }
}

run "a_function_with_every_option" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    concurrency = 10
    provisioned = 2
    tracing     = false
    layers      = ["arn:aws:lambda:eu-west-1:111122223333:layer:collector:1"]
    network     = { subnets = ["subnet-1"], security_groups = ["sg-1"] }
    has_url     = true
  }

  assert {
    condition     = aws_lambda_function_url.this[0].invoke_mode == "RESPONSE_STREAM" && aws_lambda_function_url.this[0].function_name == "tidegate-mcp" && aws_lambda_function_url.this[0].qualifier == "live"
    error_message = "Its URL does not stream, or leads to another version."
  }

  assert {
    condition = jsondecode(aws_cloudformation_stack.url_permission[0].template_body).Resources.Permission == {
      Type = "AWS::Lambda::Permission"
      Properties = {
        Action                = "lambda:InvokeFunction"
        FunctionName          = aws_lambda_alias.live.arn
        Principal             = "*"
        InvokedViaFunctionUrl = true
      }
    }
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
    condition     = aws_lambda_provisioned_concurrency_config.this[0].function_name == "tidegate-mcp" && aws_lambda_provisioned_concurrency_config.this[0].qualifier == aws_lambda_alias.live.name
    error_message = "What is kept ready is not what callers use."
  }

  assert {
    condition     = one(aws_lambda_function.this.vpc_config).subnet_ids == toset(var.network.subnets) && one(aws_lambda_function.this.vpc_config).security_group_ids == toset(var.network.security_groups)
    error_message = "It runs in another network: ${jsonencode(aws_lambda_function.this.vpc_config)}"
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "PassThrough" && !strcontains(aws_iam_role_policy.this.policy, "xray:")
    error_message = "It is traced."
  }

  assert {
    condition     = contains(output.permissions, "ec2:CreateNetworkInterface on *")
    error_message = jsonencode(output.permissions)
  }

  # The code of the function may do nothing of what Lambda may do with the role.
  assert {
    condition = alltrue([
      for line in output.permissions : contains(output.permissions, "never ${line} when ArnEquals lambda:SourceFunctionArn ${var.arn}")
      if startswith(line, "ec2:")
    ])
    error_message = jsonencode(output.permissions)
  }
}

run "at_the_edge" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    architecture = "x86_64"
    memory_mb    = 10240
    timeout_s    = 900
    concurrency  = 1
    provisioned  = 1
    log_days     = 3653
    layers       = [for i in range(5) : "arn:aws-us-gov:lambda:us-gov-east-1:111122223333:layer:the_collector-${i}:2"]
  }
}

run "too_much" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    architecture = "arm"
    memory_mb    = 10241
    timeout_s    = 901
    concurrency  = 1
    provisioned  = 2
    log_days     = 10
    layers       = [for i in range(6) : "arn:aws:lambda:eu-west-1:111122223333:layer:collector:${i}"]
  }

  expect_failures = [var.architecture, var.memory_mb, var.timeout_s, var.provisioned, var.log_days, var.layers]
}

run "too_little" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name        = "mc"
    memory_mb   = 127
    timeout_s   = 0
    concurrency = 0
    log_days    = 0
    layers      = ["collector"]
    network     = { subnets = ["subnet-1"], security_groups = [] }
  }

  expect_failures = [var.name, var.memory_mb, var.timeout_s, var.concurrency, var.log_days, var.layers, var.network]
}

run "no_fractions" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    memory_mb   = 128.5
    timeout_s   = 1.5
    provisioned = 0.5
  }

  expect_failures = [var.memory_mb, var.timeout_s, var.provisioned]
}

run "variables_fit_into_4_kb" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    environment = { A = format("%4087s", "x") } # and 8 bytes of {"A":""}
  }
}

# AWS's list of the addresses of CloudFront has 55 at most; each is as long here as one can be.
run "a_firewall_s_addresses_fit_into_4_kb" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    environment = {
      TIDEGATE_CONFIG = jsonencode({ caller_networks = { allow = [for i in range(55) : "255.255.1${format("%02d", i)}.128/25"] } })
      ELSE            = format("%2560s", "x")
    }
  }
}

run "variables_beyond_4_kb_are_refused" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    environment = { A = format("%4088s", "x") }
  }

  expect_failures = [var.environment]
}

run "no_wildcard_permission" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    permissions = [{ actions = ["dynamodb:*"], resources = ["arn:aws:dynamodb:eu-west-1:111122223333:table/the-table"] }]
  }

  expect_failures = [var.permissions]
}
