# Made without a value: `tidegate store init` fills it, so that no secret is ever in the state.
resource "aws_secretsmanager_secret" "master_key" {
  name                    = "${var.prefix}/master-key"
  description             = "32 random bytes in base64, from which every other key of the deployment is derived"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}
