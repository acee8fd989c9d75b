//! Tenants, by name.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use tidegate_core::{Error, ErrorCode, Name, Result, ports::Tenants, tenant::Tenant};

use super::{DynamoStore, decode, encode, keys, transaction::Cancelled};
use crate::failure::incomplete;

#[async_trait]
impl Tenants for DynamoStore {
    async fn create(&self, tenant: &Tenant) -> Result<()> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(keys::tenant(&tenant.name)))
            .item(keys::DOC, encode(tenant)?)
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(incomplete)?;
        // A transaction of one, because only transactions carry a token that makes a repeated attempt safe.
        match self.transact(vec![TransactWriteItem::builder().put(put).build()]).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Conditions(_)) => Err(Error::new(
                ErrorCode::AlreadyExists,
                format!("there is a tenant `{}` already; choose another name", tenant.name),
            )),
            Err(Cancelled::Other(error)) => Err(error),
        }
    }

    async fn find(&self, name: &Name) -> Result<Option<Tenant>> {
        self.item(keys::tenant(name), keys::DOC).await?.as_ref().map(decode).transpose()
    }
}
