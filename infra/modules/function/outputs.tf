output "name" {
  description = "The function's name."
  value       = aws_lambda_function.this.function_name
}

output "alias" {
  description = "The name of the alias that callers use."
  value       = aws_lambda_alias.live.name
}

output "arn" {
  description = "The alias's ARN."
  value       = aws_lambda_alias.live.arn
}

output "invoke_arn" {
  description = "The alias's ARN as the gateway wants it."
  value       = aws_lambda_alias.live.invoke_arn
}

output "version" {
  description = "The version that the alias leads to."
  value       = aws_lambda_function.this.version
}

output "url" {
  description = "The function's own URL, when it has one."
  value       = one(aws_lambda_function_url.this[*].function_url)
}

output "permissions" {
  description = "What the function's role may do, a line for each action and resource; what it may not begins with `never`."
  value = toset(flatten([
    for statement in local.policy.Statement : [
      for action in statement.Action : [
        for resource in statement.Resource : join("", [
          statement.Effect == "Deny" ? "never " : "",
          action,
          " on ${replace(resource, "/^arn:[a-z-]+:[a-z]+:[a-z0-9-]*:[0-9]*:/", "")}",
          join("", flatten([
            for test, keys in try(statement.Condition, {}) : [
              for key, values in keys : " ${lookup(local.words, key, "when ${key} is")} ${join(", ", values)}"
            ]
          ])),
        ])
      ]
    ]
  ]))
}

locals {
  words = { "dynamodb:LeadingKeys" = "in", "kms:ViaService" = "by" }
}
