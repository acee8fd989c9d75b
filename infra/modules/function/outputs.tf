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
  value       = aws_lambda_alias.live.function_version
}

output "url" {
  description = "The function's own URL, when it has one."
  value       = one(aws_lambda_function_url.this[*].function_url)
}

# Of the role itself, so that a test of these lines is one of what is deployed.
output "permissions" {
  description = "What the function's role may do, a line for each action and resource, with its conditions; what it may not begins with `never`."
  value = toset(flatten([
    for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : [
      for action in statement.Action : [
        for resource in statement.Resource : join("", flatten([
          statement.Effect == "Allow" ? "" : "never ",
          "${action} on ${resource}",
          [
            for test, keys in try(statement.Condition, {}) : [
              for key, values in keys : " when ${test} ${key} ${join(", ", values)}"
            ]
          ],
        ]))
      ]
    ]
  ]))
}
