//! Tenants, by name, and the directory that lists them.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use chrono::{DateTime, Utc};
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    api_key::ApiKey,
    ports::{Page, Tenants},
    tenant::Tenant,
};
use uuid::Uuid;

use super::{DynamoStore, decode, encode, keys, transaction::Cancelled};
use crate::failure::incomplete;

#[async_trait]
impl Tenants for DynamoStore {
    async fn create(&self, tenant: &Tenant, first_key: &ApiKey) -> Result<()> {
        let doc = encode(tenant)?;
        let mut actions = self.creation(first_key)?;
        for key in [keys::tenant(&tenant.name), keys::listed_tenant(tenant.id.as_uuid())] {
            let put = Put::builder()
                .table_name(&*self.table)
                .set_item(Some(key))
                .item(keys::DOC, doc.clone())
                .condition_expression("attribute_not_exists(pk)");
            actions.push(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build());
        }
        match self.transact(actions).await {
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

    async fn page(&self, after: Option<Uuid>, limit: usize) -> Result<Page<Tenant>> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :directory")
            .expression_attribute_values(":directory", AttributeValue::S(keys::DIRECTORY.to_owned()))
            .projection_expression(keys::DOC);
        self.page_of(query, after.map(keys::listed_tenant), limit, |tenant: &Tenant| tenant.id.as_uuid()).await
    }

    async fn close(&self, tenant: &Tenant, at: DateTime<Utc>) -> Result<()> {
        self.close_tenant(tenant, at).await
    }

    async fn remove(&self, tenant: &Tenant) -> Result<u64> {
        self.remove_tenant(tenant).await
    }
}
