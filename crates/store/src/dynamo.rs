//! The store over DynamoDB. The README says how the items are laid out.

mod catalogs;
mod executions;
mod health;
mod idempotency;
mod keys;
mod migrations;
mod progress;
mod refusal;
mod removal;
mod repository;
mod revisions;
mod table;
mod tenants;
#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;
mod transaction;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
#[cfg(feature = "aws")]
use aws_sdk_dynamodb::config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::query::builders::QueryFluentBuilder,
    types::AttributeValue,
};
use serde::de::DeserializeOwned;
use tidegate_core::{
    Error, Result,
    ports::{Health, MAX_PAGE, Page},
};
use uuid::Uuid;

pub use self::{
    migrations::{
        AppliedMigration, Direction, LockHolder, MigrationProgress, Migrations, PlannedMigration, TableStatus,
        TableVersion,
    },
    repository::MAX_REFERENCES,
};
use crate::failure;

/// An item, or the key of one.
type Item = HashMap<String, AttributeValue>;

/// How long executions are kept unless [`DynamoStore::with_retention`] says otherwise.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The store: every repository, the tenants and the history, in one table. Clones share one client.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: Arc<str>,
    retention: Duration,
}

impl DynamoStore {
    pub(crate) fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.into(), retention: RETENTION }
    }

    /// The same store, keeping executions for `retention` after they began. It is 30 days by default.
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// The item with this key, as of the last acknowledged write, with these attributes only.
    async fn item(&self, key: Item, projection: &str) -> Result<Option<Item>> {
        self.client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(key))
            .consistent_read(true)
            .projection_expression(projection)
            .send()
            .await
            .map(|answer| answer.item)
            .map_err(|error| failed("GetItem", &error))
    }

    /// All items of a query of this table, as of the last acknowledged write.
    async fn items(&self, query: QueryFluentBuilder) -> Result<Vec<Item>> {
        let query = query.table_name(&*self.table).consistent_read(true);
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        items.map_err(|error| failed("Query", &error))
    }

    /// The first `most` items of a query of this table, after the key `start`, as of the last acknowledged write.
    async fn first_items(&self, query: QueryFluentBuilder, start: Option<Item>, most: usize) -> Result<Vec<Item>> {
        let mut query = query.table_name(&*self.table).consistent_read(true);
        // DynamoDB filters after this limit, so with a filter it would only make for more round trips.
        if query.get_filter_expression().is_none() {
            query = query.limit(i32::try_from(most).unwrap_or(i32::MAX));
        }
        let (mut items, mut start) = (Vec::with_capacity(most), start);
        // One answer holds a megabyte at most.
        loop {
            let page = query.clone().set_exclusive_start_key(start).send().await;
            let page = page.map_err(|error| failed("Query", &error))?;
            items.extend(page.items.unwrap_or_default().into_iter().take(most - items.len()));
            match page.last_evaluated_key {
                Some(key) if items.len() < most => start = Some(key),
                _ => return Ok(items),
            }
        }
    }

    /// A page of at most `limit` (1 to [`MAX_PAGE`]) of what a query of this table finds after the key `start`.
    async fn page_of<T: DeserializeOwned>(
        &self,
        query: QueryFluentBuilder,
        start: Option<Item>,
        limit: usize,
        id: impl Fn(&T) -> Uuid,
    ) -> Result<Page<T>> {
        let limit = limit.clamp(1, MAX_PAGE);
        // One more than asked for tells whether there is a next page.
        let mut found = self.first_items(query, start, limit + 1).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let items = found.iter().map(|item| decode(item).map(Arc::new)).collect::<Result<Vec<Arc<T>>>>()?;
        let next = items.last().filter(|_| has_more).map(|last| id(last));
        Ok(Page { items, next })
    }
}

#[async_trait]
impl Health for DynamoStore {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn check(&self) -> Result<()> {
        // Reading a key that is never written needs no permission that the store does not have anyway.
        self.item(keys::key("HEALTH".to_owned(), "HEALTH".to_owned()), keys::PK).await.map(drop)
    }
}

/// How the client of a store over the network waits and tries again.
#[cfg(feature = "aws")]
pub(crate) fn patience() -> (RetryConfig, TimeoutConfig) {
    let retries = RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build();
    (retries, timeouts)
}

/// What a stored item holds as JSON.
fn decode<T: DeserializeOwned>(item: &Item) -> Result<T> {
    let text = item.get(keys::DOC).and_then(|value| value.as_s().ok()).ok_or_else(|| damaged("it has no document"))?;
    serde_json::from_str(text).map_err(damaged)
}

fn encode(value: &impl serde::Serialize) -> Result<AttributeValue> {
    serde_json::to_string(value).map(AttributeValue::S).map_err(Error::internal)
}

fn damaged(reason: impl std::fmt::Display) -> Error {
    Error::internal(reason).with_context("a stored item cannot be read")
}

fn failed<E, R>(operation: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    failure::of_call("store", operation, error)
}
