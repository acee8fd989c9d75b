resource "aws_iam_role" "this" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "permissions"
  role   = aws_iam_role.this.id
  policy = jsonencode(local.policy)
}

locals {
  # X-Ray and network interfaces know no resources to narrow these actions to.
  tracing = !var.tracing ? [] : [{
    Effect   = "Allow"
    Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    Resource = ["*"]
  }]
  interfaces = [
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
  ]
  # Lambda uses the role to connect the function. The function's own code has no business there, so calls that come from it
  # are refused (AWS Lambda, "Giving Lambda functions access to resources in an Amazon VPC").
  network = [
    for statement in [
      { Effect = "Allow", Action = local.interfaces, Resource = ["*"], Condition = {} },
      {
        Effect    = "Deny"
        Action    = concat(local.interfaces, ["ec2:DetachNetworkInterface"])
        Resource  = ["*"]
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = [var.arn] } }
      },
    ] : statement if var.network != null
  ]
  logs = [{
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }]
  given = [
    for permission in var.permissions : merge(
      { Effect = permission.effect, Action = permission.actions, Resource = permission.resources },
      permission.keys == null ? {} : {
        Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = permission.keys } }
      },
      permission.services == null ? {} : {
        Condition = { StringEquals = { "kms:ViaService" = permission.services } }
      },
      permission.condition == null ? {} : {
        Condition = { (permission.condition.test) = { (permission.condition.key) = permission.condition.values } }
      },
    )
  ]
  policy = {
    Version   = "2012-10-17"
    Statement = concat(local.logs, local.tracing, local.network, local.given)
  }
}
