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
}

output "settings" {
  description = "What the functions read: every other key of the file, as it is."
  value       = local.settings
}
