# What each function is told, and what its role may do. A function that needs another action fails with
# `AccessDenied` until it is named here and in tests/permissions.tftest.hcl.
locals {
  told = merge(
    {
      TIDEGATE_ENVIRONMENT = var.environment
      TIDEGATE_CONFIG      = jsonencode(local.settings)
      TIDEGATE_TABLE       = module.table.name
      TIDEGATE_URLS        = join(",", module.api.urls)
    },
    var.endpoint == null ? {} : { AWS_ENDPOINT_URL = var.endpoint },
  )
  told_of_secrets = merge(local.told, {
    TIDEGATE_SECRET_PREFIX     = module.secrets.sources
    TIDEGATE_MASTER_KEY_SECRET = module.secrets.master_key
  })
  variables = {
    auth     = local.told
    registry = merge(local.told_of_secrets, { TIDEGATE_KMS_KEY = module.key.arn })
    execute  = local.told_of_secrets
    mcp      = local.told_of_secrets
    sync     = local.told_of_secrets
  }

  tenants = ["T#*", "TENANT#*"]
  history = ["T#*#EXEC"]
  reads   = { actions = ["dynamodb:GetItem", "dynamodb:Query"], resources = [module.table.arn] }
  writes = {
    actions   = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
    resources = [module.table.arn]
    keys      = local.tenants
  }
  records = { actions = ["dynamodb:BatchWriteItem"], resources = [module.table.arn], keys = local.history }
  opens = {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.secrets.master_key_arn, module.secrets.sources_arn]
  }
  keeps = {
    actions   = ["secretsmanager:CreateSecret", "secretsmanager:DeleteSecret"]
    resources = [module.secrets.sources_arn]
  }
  decrypts = {
    actions   = ["kms:Decrypt"]
    resources = [module.key.arn]
    services  = ["dynamodb.${local.deploy.region}.amazonaws.com", "secretsmanager.${local.deploy.region}.amazonaws.com"]
  }
  encrypts = {
    actions   = ["kms:GenerateDataKey"]
    resources = [module.key.arn]
    services  = ["secretsmanager.${local.deploy.region}.amazonaws.com"]
  }
  reports = {
    actions   = ["sqs:SendMessage"]
    resources = ["arn:${local.partition}:sqs:${local.deploy.region}:${local.account}:${local.dead_letters}"]
  }
  permissions = {
    auth     = [local.reads, local.writes, local.decrypts]
    registry = [local.reads, local.writes, local.opens, local.keeps, local.decrypts, local.encrypts]
    execute  = [local.reads, local.records, local.opens, local.decrypts]
    mcp      = [local.reads, local.records, local.opens, local.decrypts]
    sync     = [local.reads, local.writes, local.records, local.opens, local.decrypts, local.reports]
  }
}
