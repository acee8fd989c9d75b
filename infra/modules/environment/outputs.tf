output "deploy" {
  description = "What to build, checked."
  value       = var.deploy

  precondition {
    condition     = length(local.unknown) == 0
    error_message = "Unknown keys: ${join(", ", local.unknown)}."
  }

  precondition {
    condition     = var.name != "production" || var.deploy.protected
    error_message = "deploy.protected: production must be protected."
  }

  precondition {
    condition     = try(var.file.sign_up, "closed") == "closed" || var.deploy.gateway.jwt == null
    error_message = "sign_up: closed with deploy.gateway.jwt, whose tokens name tenants: anybody could take such a name first."
  }

  precondition {
    condition     = try(var.file.sign_up, "closed") == "closed" || length(try(var.file.source_networks.allow, [])) == 0
    error_message = "sign_up: closed with source_networks.allow: anybody could look for what is in these networks."
  }
}

output "callers" {
  description = "The ranges of addresses that may call; all with none."
  value       = tolist(try(var.file.caller_networks.allow, []))
}

output "settings" {
  description = "What the functions read: every other key of the file, as it is."
  value       = local.settings

  # The functions' own check knows the rest of their variables only once that is made.
  precondition {
    condition     = length(base64encode(jsonencode(jsonencode(local.settings)))) <= 4096
    error_message = "What the functions read (everything but deploy) is longer than 3 KB. Lambda takes 4 KB of variables in all."
  }
}
