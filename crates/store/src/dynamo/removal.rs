//! The end of a tenant.
//!
//! It is closed first: its item says so, and its keys are deleted. What it has is deleted then, a batch at a time, and its
//! own items come last. So whoever is broken off finds the tenant by its name, and begins again.

#[cfg(feature = "local")]
#[cfg(test)]
mod tests;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, DeleteRequest, Put, TransactWriteItem, WriteRequest};
use chrono::{DateTime, Utc};
use tidegate_core::{Error, ErrorCode, Result, ports::EntityKind, tenant::Tenant};

use super::{DynamoStore, Item, decode, encode, executions::MAX_BATCH, keys, transaction::Cancelled};
use crate::failure::{incomplete, unavailable};

/// How many keys are read at a time.
const PAGE: usize = 4 * MAX_BATCH;

/// How often all partitions are gone through before it is said that somebody goes on writing.
const ROUNDS: usize = 5;

/// What is stored of a tenant under its name: the document as text, and what it says.
struct Stored {
    doc: AttributeValue,
    tenant: Tenant,
}

impl DynamoStore {
    pub(super) async fn close_tenant(&self, tenant: &Tenant, at: DateTime<Utc>) -> Result<()> {
        let gone = || Error::not_found("tenant", &tenant.name);
        let stored = self.stored(tenant).await?.ok_or_else(gone)?;
        if !stored.tenant.is_closed() {
            let doc = encode(&Tenant { closed_at: Some(at), ..stored.tenant.clone() })?;
            let put = |key| Put::builder().table_name(&*self.table).set_item(Some(key)).item(keys::DOC, doc.clone());
            let named = put(keys::tenant(&tenant.name))
                .condition_expression("doc = :stored")
                .expression_attribute_values(":stored", stored.doc);
            // A table at revision 0 does not list it. Its removal takes it off the list too.
            let listed = put(keys::listed_tenant(tenant.id.as_uuid()));
            let actions = [named, listed]
                .map(|put| Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build()));
            self.change(tenant, actions.into_iter().collect::<Result<_>>()?).await?;
        }
        self.empty(keys::partition(tenant.id), &keys::prefix(EntityKind::ApiKey)).await.map(drop)
    }

    pub(super) async fn remove_tenant(&self, tenant: &Tenant) -> Result<u64> {
        let Some(stored) = self.stored(tenant).await? else { return Ok(0) };
        if !stored.tenant.is_closed() {
            return Err(Error::new(ErrorCode::InUse, format!("the tenant `{}` has to be closed first", tenant.name)));
        }
        let mut removed = 0;
        for _ in 0..ROUNDS {
            let mut found = 0;
            for partition in [keys::partition(tenant.id), keys::catalogs(tenant.id), keys::history(tenant.id)] {
                found += self.empty(partition, "").await?;
            }
            removed += found;
            // What was under way may have come behind.
            if found == 0 {
                let named = Delete::builder()
                    .table_name(&*self.table)
                    .set_key(Some(keys::tenant(&tenant.name)))
                    .condition_expression("doc = :stored")
                    .expression_attribute_values(":stored", stored.doc);
                let listed =
                    Delete::builder().table_name(&*self.table).set_key(Some(keys::listed_tenant(tenant.id.as_uuid())));
                let actions = [named, listed]
                    .map(|delete| Ok(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build()));
                self.change(tenant, actions.into_iter().collect::<Result<_>>()?).await?;
                return Ok(removed);
            }
        }
        Err(unavailable("store")
            .with_message(format!("something goes on writing for the tenant `{}`; try again in a minute", tenant.name)))
    }

    /// What is stored of this tenant; none when its name is free or another's.
    async fn stored(&self, tenant: &Tenant) -> Result<Option<Stored>> {
        let Some(mut item) = self.item(keys::tenant(&tenant.name), keys::DOC).await? else { return Ok(None) };
        let stored: Tenant = decode(&item)?;
        let doc = item.remove(keys::DOC).filter(|_| stored.id == tenant.id);
        Ok(doc.map(|doc| Stored { doc, tenant: stored }))
    }

    /// Changes the items of a tenant itself, which are as they were read.
    async fn change(&self, tenant: &Tenant, actions: Vec<TransactWriteItem>) -> Result<()> {
        self.transact(actions).await.map_err(|cancelled| match cancelled {
            Cancelled::Other(error) => error,
            Cancelled::Conditions(_) => Error::new(
                ErrorCode::VersionConflict,
                format!("another process closes or removes the tenant `{}`; try again", tenant.name),
            ),
        })
    }

    /// Deletes the items of a partition whose sort keys begin so, and counts them.
    async fn empty(&self, partition: String, prefix: &str) -> Result<u64> {
        let query = self.client.query();
        let query = match prefix {
            // DynamoDB takes no empty text for a beginning.
            "" => query.key_condition_expression("pk = :partition"),
            _ => query
                .key_condition_expression("pk = :partition AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned())),
        };
        let query = query
            .expression_attribute_values(":partition", AttributeValue::S(partition))
            .projection_expression(format!("{}, {}", keys::PK, keys::SK));
        let mut deleted = 0;
        loop {
            let found = self.first_items(query.clone(), None, PAGE).await?;
            for batch in found.chunks(MAX_BATCH) {
                let requests = batch.iter().map(delete).collect::<Result<Vec<_>>>()?;
                self.write_batch(requests).await?;
            }
            deleted += found.len() as u64;
            if found.len() < PAGE {
                return Ok(deleted);
            }
        }
    }
}

fn delete(item: &Item) -> Result<WriteRequest> {
    let request = DeleteRequest::builder().set_key(Some(keys::of(item))).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().delete_request(request).build())
}
