# The URL is public: the function itself asks every caller for a key. The provider permits calls of the URL; AWS also
# wants `InvokeFunction` for calls that come by a URL, a condition which only CloudFormation can set with this provider.
resource "aws_lambda_function_url" "this" {
  count = var.has_url ? 1 : 0

  function_name      = aws_lambda_function.this.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "NONE"
  invoke_mode        = "RESPONSE_STREAM"
}

resource "aws_cloudformation_stack" "url_permission" {
  count = var.has_url ? 1 : 0

  name = "${var.name}-url"
  template_body = jsonencode({
    Resources = {
      Permission = {
        Type = "AWS::Lambda::Permission"
        Properties = {
          Action                = "lambda:InvokeFunction"
          FunctionName          = aws_lambda_alias.live.arn
          Principal             = "*"
          InvokedViaFunctionUrl = true
        }
      }
    }
  })
}
