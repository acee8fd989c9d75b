terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # Bucket, key and region are given to `terraform init`: docs/operations/deploy.md.
  backend "s3" {}
}

provider "aws" {
  region = local.deploy.region

  # An emulator has no account to check the credentials against. The account id is asked for all the same, because the
  # addresses of the gateway are made of it.
  skip_credentials_validation = var.endpoint != null
  skip_metadata_api_check     = var.endpoint != null

  default_tags {
    tags = local.deploy.tags
  }

  dynamic "endpoints" {
    for_each = var.endpoint[*]

    content {
      acm            = endpoints.value
      apigatewayv2   = endpoints.value
      cloudformation = endpoints.value
      cloudwatch     = endpoints.value
      cloudwatchlogs = endpoints.value
      dynamodb       = endpoints.value
      ec2            = endpoints.value
      elasticache    = endpoints.value
      iam            = endpoints.value
      kms            = endpoints.value
      lambda         = endpoints.value
      route53        = endpoints.value
      scheduler      = endpoints.value
      secretsmanager = endpoints.value
      sns            = endpoints.value
      sqs            = endpoints.value
      sts            = endpoints.value
    }
  }
}

# Where CloudFront and its web ACLs are. It asks nothing of AWS by itself, because most deployments have no firewall, and some
# credentials are not for this region.
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = var.endpoint != null

  default_tags {
    tags = local.deploy.tags
  }

  dynamic "endpoints" {
    for_each = var.endpoint[*]

    content {
      cloudfront = endpoints.value
      ec2        = endpoints.value
      route53    = endpoints.value
      wafv2      = endpoints.value
    }
  }
}
