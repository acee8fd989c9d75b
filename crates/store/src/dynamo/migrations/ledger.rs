//! What the store keeps about itself: the version of the table, the lock, the progress and the history of migrations.

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    types::{AttributeValue, Delete, Put, TransactWriteItem, Update},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tidegate_core::{Error, ErrorCode, Result};
use uuid::Uuid;

use super::{DynamoStore, Item, LAYOUT, Migrations};
use crate::{
    dynamo::{decode, encode, failed, keys},
    failure::{self, incomplete},
};

const VERSION: &str = "VERSION";
const LOCK: &str = "LOCK";
const PROGRESS: &str = "PROGRESS";
const HISTORY: &str = "HISTORY#";

/// For how long a lock stays when its holder does not prolong it.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// The version of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableVersion {
    /// The number of the last migration that was applied.
    pub revision: u32,
    /// The revision that code has to know at least to serve the table.
    pub needs_code: u32,
}

/// Which way a migration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It is applied.
    Up,
    /// It is taken back.
    Down,
}

/// How far a migration is. Of a page that was broken off, what was written is not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationProgress {
    /// The revision that it leads to, or away from.
    pub revision: u32,
    /// Its name.
    pub name: String,
    /// Which way it goes.
    pub direction: Direction,
    /// How many items it read.
    pub read: u64,
    /// For how many of these it wrote something.
    pub written: u64,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The key of the last item that was looked at.
    pub(super) after: Option<(String, String)>,
}

/// A migration that was applied or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// What was done.
    #[serde(flatten)]
    pub progress: MigrationProgress,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Who did it.
    pub operator: String,
}

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Who it is.
    pub operator: String,
    /// Until when, unless it is prolonged.
    pub until: DateTime<Utc>,
}

/// The lock of a table, held. It prolongs itself with every write.
pub(super) struct Lock {
    token: String,
}

impl DynamoStore {
    /// `Unavailable` when this code cannot serve the table: it is absent, denied, was never initialised, or has a
    /// revision that is too old or too new. The message says which command to run.
    pub async fn check_version(&self) -> Result<()> {
        let version = self.version().await?.ok_or_else(|| self.no_version())?;
        LAYOUT.check(&self.table, version)
    }

    pub(super) fn no_version(&self) -> Error {
        let message =
            format!("the table {} has no version: run `tidegate store init` for this environment", self.table);
        Error::new(ErrorCode::Unavailable, message)
    }

    pub(super) async fn version(&self) -> Result<Option<TableVersion>> {
        self.ledger(VERSION).await
    }

    pub(super) async fn progress(&self) -> Result<Option<MigrationProgress>> {
        self.ledger(PROGRESS).await
    }

    pub(super) async fn lock_holder(&self) -> Result<Option<LockHolder>> {
        self.ledger(LOCK).await
    }

    async fn ledger<T: DeserializeOwned>(&self, sort: &str) -> Result<Option<T>> {
        let reading = self.client.get_item().table_name(&*self.table).set_key(Some(keys::ledger(sort)));
        let answer = reading.consistent_read(true).projection_expression(keys::DOC).send().await.map_err(|error| {
            let failure = failed("GetItem", &error);
            let message = match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                Some("ResourceNotFoundException") => {
                    format!("there is no table {}: deploy the environment, then run `tidegate store init`", self.table)
                }
                Some("AccessDeniedException") => format!(
                    "reading the table {} is denied: deploy the environment again, which gives the functions their \
                     permissions; an operator's are in docs/operations/store.md",
                    self.table,
                ),
                _ => return failure,
            };
            failure.with_message(message)
        })?;
        answer.item.as_ref().map(decode).transpose()
    }

    pub(super) async fn migration_history(&self) -> Result<Vec<AppliedMigration>> {
        let mut pages = self
            .client
            .query()
            .table_name(&*self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :ledger AND begins_with(sk, :history)")
            .expression_attribute_values(":ledger", AttributeValue::S(keys::LEDGER.to_owned()))
            .expression_attribute_values(":history", AttributeValue::S(HISTORY.to_owned()))
            .projection_expression(keys::DOC)
            .into_paginator()
            .items()
            .send();
        let mut history = Vec::new();
        while let Some(item) = pages.next().await {
            history.push(decode(&item.map_err(|error| failed("Query", &error))?)?);
        }
        Ok(history)
    }

    /// Writes down the version of a table that has none, and gives the version that it then has.
    pub(super) async fn put_first_version(&self, version: TableVersion) -> Result<TableVersion> {
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(keys::ledger(VERSION)))
            .item(keys::DOC, encode(&version)?)
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(version),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_conditional_check_failed_exception()) => {
                self.version().await?.ok_or_else(|| self.no_version())
            }
            Err(error) => Err(failed("PutItem", &error)),
        }
    }

    fn put_ledger(&self, sort: &str, doc: &impl Serialize) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(&*self.table).set_item(Some(keys::ledger(sort)));
        let put = put.item(keys::DOC, encode(doc)?).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Writes down another version.
    pub(super) fn set_version(&self, version: TableVersion) -> Result<TransactWriteItem> {
        self.put_ledger(VERSION, &version)
    }

    /// Takes the version away, so that no function starts on the table.
    pub(super) fn unset_version(&self) -> Result<TransactWriteItem> {
        self.delete_ledger(VERSION)
    }

    /// Writes down how far a migration is.
    pub(super) fn set_progress(&self, progress: &MigrationProgress) -> Result<TransactWriteItem> {
        self.put_ledger(PROGRESS, progress)
    }

    /// Says that no migration is under way.
    pub(super) fn unset_progress(&self) -> Result<TransactWriteItem> {
        self.delete_ledger(PROGRESS)
    }

    fn delete_ledger(&self, sort: &str) -> Result<TransactWriteItem> {
        let delete = Delete::builder().table_name(&*self.table).set_key(Some(keys::ledger(sort)));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build())
    }

    /// Adds to the history.
    pub(super) fn add_history(&self, applied: &AppliedMigration) -> Result<TransactWriteItem> {
        self.put_ledger(&format!("{HISTORY}{}", Uuid::now_v7()), applied)
    }
}

impl Migrations {
    /// Takes the lock. `Unavailable` when somebody holds it; one whose holder is gone is taken over when it runs out.
    pub(super) async fn lock(&self) -> Result<Lock> {
        // Reading tells what is wrong with a table that is absent or denied.
        self.store.version().await?;
        let lock = Lock { token: Uuid::now_v7().to_string() };
        let now = self.clock.now();
        let put = self
            .store
            .client
            .put_item()
            .table_name(&*self.store.table)
            .set_item(Some(self.lock_item(&lock)?))
            // The SDK sends it again when an answer is lost, and then the lock is there and this one's.
            .condition_expression("attribute_not_exists(pk) OR held_until < :now OR held_by = :token")
            .expression_attribute_values(":now", AttributeValue::N(now.timestamp_millis().to_string()))
            .expression_attribute_values(":token", AttributeValue::S(lock.token.clone()));
        let error = match put.send().await {
            Ok(_) => return Ok(lock),
            Err(error) => error,
        };
        if !error.as_service_error().is_some_and(|it| it.is_conditional_check_failed_exception()) {
            return Err(failed("PutItem", &error));
        }
        let message = match self.store.lock_holder().await? {
            Some(holder) => format!(
                "{} is working on the table {}: wait until that is done; if it is dead, try again in {} seconds",
                holder.operator,
                self.store.table,
                (holder.until - now).num_seconds().max(0) + 1,
            ),
            None => format!("someone worked on the table {} until this moment: try again", self.store.table),
        };
        Err(Error::new(ErrorCode::Unavailable, message))
    }

    fn lock_item(&self, lock: &Lock) -> Result<Item> {
        let until = self.clock.now() + LEASE;
        let holder = LockHolder { operator: self.operator.clone(), until };
        let mut item = keys::ledger(LOCK);
        item.insert(keys::DOC.to_owned(), encode(&holder)?);
        item.insert("held_by".to_owned(), AttributeValue::S(lock.token.clone()));
        item.insert("held_until".to_owned(), AttributeValue::N(until.timestamp_millis().to_string()));
        Ok(item)
    }

    /// Checks that the lock is held, and prolongs it. The first action of every transaction.
    pub(super) fn prolong(&self, lock: &Lock) -> Result<TransactWriteItem> {
        let mut item = self.lock_item(lock)?;
        let update = Update::builder()
            .table_name(&*self.store.table)
            .set_key(Some(keys::ledger(LOCK)))
            .update_expression("SET doc = :doc, held_until = :until")
            .condition_expression("held_by = :token")
            .set_expression_attribute_values(Some(
                [(":doc", keys::DOC), (":until", "held_until"), (":token", "held_by")]
                    .into_iter()
                    .filter_map(|(placeholder, name)| Some((placeholder.to_owned(), item.remove(name)?)))
                    .collect(),
            ));
        Ok(TransactWriteItem::builder().update(update.build().map_err(incomplete)?).build())
    }

    /// Gives the lock back. One that another took over stays theirs.
    pub(super) async fn unlock(&self, lock: &Lock) -> Result<()> {
        let delete = self
            .store
            .client
            .delete_item()
            .table_name(&*self.store.table)
            .set_key(Some(keys::ledger(LOCK)))
            .condition_expression("attribute_not_exists(pk) OR held_by = :token")
            .expression_attribute_values(":token", AttributeValue::S(lock.token.clone()));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_conditional_check_failed_exception()) => {
                Err(self.lost())
            }
            Err(error) => Err(failed("DeleteItem", &error)),
        }
    }

    pub(super) fn lost(&self) -> Error {
        failure::unavailable("store").with_message(format!(
            "another process took over the table {}: this one was silent for a minute; look at `tidegate store status`",
            self.store.table
        ))
    }
}

/// Whether an item is the lock.
pub(super) fn is_lock(item: &Item) -> bool {
    keys::of(item) == keys::ledger(LOCK)
}
