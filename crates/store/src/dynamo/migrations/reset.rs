//! Emptying a table.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use tidegate_core::Result;

use super::{DynamoStore, Item, Migrations, ledger::is_lock};
use crate::{
    dynamo::{failed, keys, transaction::MAX_ACTIONS},
    failure::incomplete,
};

impl Migrations {
    /// Deletes every item of the table, its version first, and says how many there were. `Unavailable` when another
    /// process works on it, or took over.
    pub async fn reset(&self) -> Result<u64> {
        let lock = self.lock().await?;
        let deleted = async {
            // From here on no function starts.
            self.write(&lock, vec![self.store.unset_version()?]).await?;
            let (mut deleted, mut start) = (0, None);
            loop {
                let (mut items, next) = self.store.keys(start).await?;
                items.retain(|key| !is_lock(key));
                // Each transaction checks the lock, too.
                for some in items.chunks(MAX_ACTIONS - 1) {
                    let deletes = some.iter().map(|key| self.store.delete_key(key)).collect::<Result<_>>()?;
                    self.write(&lock, deletes).await?;
                }
                deleted += u64::try_from(items.len()).unwrap_or(u64::MAX);
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

    fn delete_key(&self, key: &Item) -> Result<TransactWriteItem> {
        let delete = Delete::builder().table_name(&*self.table).set_key(Some(key.clone()));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build())
    }
}
