//! Emptying a table.

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use tidegate_core::Result;

use super::{DynamoStore, Item, Migrations, ledger::is_lock};
use crate::{
    backoff::{ATTEMPTS, pause},
    dynamo::{failed, keys},
    failure::{self, incomplete},
};

/// The most writes of one `BatchWriteItem` (DynamoDB API reference).
const BATCH: usize = 25;

impl Migrations {
    /// Deletes every item of the table, its version first, and says how many there were. `Unavailable` when another
    /// process works on it.
    pub async fn reset(&self) -> Result<u64> {
        let lock = self.lock().await?;
        let deleted = async {
            // From here on no function starts.
            self.write(&lock, vec![self.store.unset_version()?]).await?;
            let (mut deleted, mut start) = (0, None);
            loop {
                let (mut items, next) = self.store.keys(start).await?;
                items.retain(|key| !is_lock(key));
                for batch in items.chunks(BATCH) {
                    self.store.delete(batch).await?;
                }
                deleted += u64::try_from(items.len()).unwrap_or(u64::MAX);
                self.write(&lock, Vec::new()).await?;
                match next {
                    Some(next) => start = Some(next),
                    None => return Ok(deleted),
                }
            }
        };
        let deleted = deleted.await;
        self.release(&lock, deleted).await
    }
}

impl DynamoStore {
    /// Whether the table holds nothing but what the store keeps about itself.
    pub(super) async fn is_empty(&self) -> Result<bool> {
        let mut start = None;
        loop {
            let (items, next) = self.keys(start).await?;
            if items.iter().any(|key| !keys::is_ledger(key)) {
                return Ok(false);
            }
            match next {
                Some(next) => start = Some(next),
                None => return Ok(true),
            }
        }
    }

    /// The keys of one page of the table, and where the next begins.
    async fn keys(&self, start: Option<Item>) -> Result<(Vec<Item>, Option<Item>)> {
        let page = self
            .client
            .scan()
            .table_name(&*self.table)
            .consistent_read(true)
            .projection_expression("pk, sk")
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failed("Scan", &error))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    async fn delete(&self, batch: &[Item]) -> Result<()> {
        let mut requests = Vec::with_capacity(batch.len());
        for key in batch {
            let delete = DeleteRequest::builder().set_key(Some(key.clone())).build().map_err(incomplete)?;
            requests.push(WriteRequest::builder().delete_request(delete).build());
        }
        for attempt in 0..ATTEMPTS {
            let sent = self.client.batch_write_item().request_items(&*self.table, requests).send().await;
            let left = sent.map_err(|error| failed("BatchWriteItem", &error))?.unprocessed_items.unwrap_or_default();
            requests = left.into_values().flatten().collect();
            if requests.is_empty() {
                return Ok(());
            }
            pause(attempt).await;
        }
        Err(failure::unavailable("store").with_context("items stay unprocessed"))
    }
}
