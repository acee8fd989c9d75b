# What each function is told, and what its role may do. A function that needs another action fails with
# `AccessDenied` until it is named here and in tests/permissions.tftest.hcl.
locals {
  told = merge(
    {
      TIDEGATE_CONFIG = jsonencode(merge(local.settings, local.settings_of_firewall))
      TIDEGATE_TABLE  = module.table.name
      TIDEGATE_URLS   = join(",", local.front.urls)
    },
    var.endpoint == null ? {} : { AWS_ENDPOINT_URL = var.endpoint },
  )
  # Behind a firewall the functions are called by CloudFront only.
  settings_of_firewall = merge([for firewall in module.firewall : { caller_networks = { allow = firewall.networks } }]...)
  told_of_secrets = merge(local.told, {
    TIDEGATE_SECRET_PREFIX     = module.secrets.sources
    TIDEGATE_MASTER_KEY_SECRET = module.secrets.master_key
  })
  # Those that delete secrets.
  told_of_recovery = local.recovery_days == 0 ? {} : { TIDEGATE_SECRET_RECOVERY_DAYS = tostring(local.recovery_days) }
  # Where spans go, and by which name they come.
  told_of_traces = {
    for name in keys(local.deploy.functions) : name => local.deploy.tracing.otlp == null ? {} : merge(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT = local.deploy.tracing.otlp.endpoint
        OTEL_SERVICE_NAME           = "${local.deploy.name}-${name}"
      },
      local.deploy.tracing.otlp.collector_config == null ? {} : {
        OPENTELEMETRY_COLLECTOR_CONFIG_URI = local.deploy.tracing.otlp.collector_config
      },
    )
  }
  told_of_url = {
    for name in ["execute", "mcp"] : name => contains(local.deploy.streaming, name) ? { TIDEGATE_URL_STREAMS = "true" } : {}
  }
  variables = {
    auth     = merge(local.told, local.told_of_traces["auth"])
    registry = merge(local.told_of_secrets, local.told_of_recovery, { TIDEGATE_KMS_KEY = module.key.arn }, local.told_of_traces["registry"])
    execute  = merge(local.told_of_secrets, local.told_of_url["execute"], local.told_of_traces["execute"])
    mcp      = merge(local.told_of_secrets, local.told_of_url["mcp"], local.told_of_traces["mcp"])
    sync     = merge(local.told_of_secrets, local.told_of_recovery, local.told_of_traces["sync"])
  }

  # The partition of what a tenant registered: its id is a UUID.
  tenant = "T#????????-????-????-????-????????????"
  reads  = { actions = ["dynamodb:GetItem", "dynamodb:Query"], resources = [module.table.arn] }
  writes = {
    actions   = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
    resources = [module.table.arn]
    keys      = [local.tenant]
  }
  # Tenants themselves are made by an operator, and where sign-up is open by whoever comes. One of them is its name, its place
  # in the directory and its first key, in one transaction.
  founds = try(local.settings.sign_up, "closed") != "open" ? [] : [{
    actions   = ["dynamodb:PutItem"]
    resources = [module.table.arn]
    keys      = [local.tenant, "TENANT#*", "TENANTS"]
  }]
  records = { actions = ["dynamodb:BatchWriteItem"], resources = [module.table.arn], keys = ["${local.tenant}#EXEC"] }
  opens = {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.secrets.master_key_arn, module.secrets.sources_arn]
  }
  keeps = {
    actions   = ["secretsmanager:CreateSecret", "secretsmanager:DeleteSecret"]
    resources = [module.secrets.sources_arn]
  }
  # Which secrets no source refers to. Secrets Manager knows no resources to narrow the list to; it has no values.
  clears = [
    { actions = ["secretsmanager:ListSecrets"], resources = ["*"] },
    { actions = ["secretsmanager:DeleteSecret"], resources = [module.secrets.sources_arn] },
  ]
  # What tasks keep and remove of tenants (health, catalogs, API keys), and where they go on.
  tidies = {
    actions   = ["dynamodb:PutItem", "dynamodb:DeleteItem"]
    resources = [module.table.arn]
    keys      = [local.tenant, "${local.tenant}#CATALOG", "SYNC"]
  }
  # What is deleted of a protected deployment can be brought back, whatever a function asks for.
  recovers = local.recovery_days == 0 ? [] : [{
    effect    = "Deny"
    actions   = ["secretsmanager:DeleteSecret"]
    resources = [module.secrets.sources_arn]
    condition = { test = "Bool", key = "secretsmanager:ForceDeleteWithoutRecovery", values = ["true"] }
  }]
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
    auth     = concat([local.reads, local.writes, local.decrypts], local.founds)
    registry = concat([local.reads, local.writes, local.opens, local.keeps, local.decrypts, local.encrypts], local.recovers)
    execute  = [local.reads, local.records, local.opens, local.decrypts]
    mcp      = [local.reads, local.records, local.opens, local.decrypts]
    sync     = concat(local.clears, [local.reads, local.tidies, local.opens, local.decrypts, local.reports], local.recovers)
  }
}
