module "environment" {
  source = "./modules/environment"

  name   = var.environment
  file   = local.file
  deploy = local.file.deploy
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  file   = yamldecode(file("${path.root}/../config/environments/${var.environment}.yaml"))
  routes = yamldecode(file("${path.root}/../config/routes.yaml"))

  deploy   = module.environment.deploy
  settings = module.environment.settings

  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  # How long what was deleted can be brought back.
  recovery_days = local.deploy.protected ? 30 : 0
}
