data "aws_subnet" "this" {
  id = var.subnets[0]
}

resource "aws_elasticache_serverless_cache" "this" {
  name                 = var.name
  description          = "What the functions of ${var.name} share"
  engine               = "valkey"
  major_engine_version = "8"
  kms_key_id           = var.key_arn
  subnet_ids           = var.subnets
  security_group_ids   = [aws_security_group.this.id]

  cache_usage_limits {
    data_storage {
      maximum = var.storage_gb
      unit    = "GB"
    }

    ecpu_per_second {
      maximum = var.ecpu_per_second
    }
  }
}

resource "aws_security_group" "this" {
  name        = "${var.name}-cache"
  description = "The cache: Valkey from the functions"
  vpc_id      = data.aws_subnet.this.vpc_id
}

# Valkey listens on 6379, and for reads from a replica on 6380.
resource "aws_vpc_security_group_ingress_rule" "this" {
  count = length(var.security_groups)

  security_group_id            = aws_security_group.this.id
  description                  = "Valkey from the functions"
  referenced_security_group_id = var.security_groups[count.index]
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6380
}
