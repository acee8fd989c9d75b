locals {
  # Each part of the file beside the same part after its conversion to a type. The conversion drops keys that the type
  # does not have, so without a look a misspelt key would be silent.
  parts = merge(
    {
      "caller_networks"     = { given = try(var.file.caller_networks, {}), known = { allow = [] } }
      "deploy"              = { given = var.file.deploy, known = var.deploy }
      "deploy.tracing"      = { given = var.file.deploy.tracing, known = var.deploy.tracing }
      "deploy.tracing.otlp" = { given = var.file.deploy.tracing.otlp, known = var.deploy.tracing.otlp }
      "deploy.gateway"      = { given = var.file.deploy.gateway, known = var.deploy.gateway }
      "deploy.gateway.cors" = { given = var.file.deploy.gateway.cors, known = var.deploy.gateway.cors }
      "deploy.gateway.jwt"  = { given = var.file.deploy.gateway.jwt, known = var.deploy.gateway.jwt }
      "deploy.firewall"     = { given = var.file.deploy.firewall, known = var.deploy.firewall }
      "deploy.network"      = { given = var.file.deploy.network, known = var.deploy.network }
      "deploy.cache"        = { given = var.file.deploy.cache, known = var.deploy.cache }
    },
    { for name, known in var.deploy.functions : "deploy.functions.${name}" => { given = var.file.deploy.functions[name], known = known } },
    { for index, known in var.deploy.gateway.domains : "deploy.gateway.domains[${index}]" => { given = var.file.deploy.gateway.domains[index], known = known } },
  )
  unknown = flatten([
    for place, part in local.parts : [
      for key in try(keys(part.given), []) : "${place}.${key}" if !contains(try(keys(part.known), []), key)
    ]
  ])

  # With a firewall the web ACL looks at callers, and functions are called by CloudFront.
  not_settings = concat(["deploy"], var.deploy.firewall == null ? [] : ["caller_networks"])
  settings     = { for key, value in var.file : key => value if !contains(local.not_settings, key) }
}
