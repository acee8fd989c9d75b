//! The history of executions.
//!
//! One item holds all executions of a tenant that are recorded together. An item of its own for each would cost about
//! ten times the processor time on the embedded database, and twice the write units on AWS.
//!
//! An item has the key of its newest execution, and the others are at most [`SPAN_MS`] older. So the item of an
//! execution is found in a short range of keys, and a range of time is a range of keys.

mod item;
mod place;

use std::cmp::Reverse;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, WriteRequest},
};
use tidegate_core::{
    Result,
    execution::{Execution, ExecutionFilter, ExecutionPage},
    id::{ExecutionId, TenantId},
    ports::Executions,
};
use uuid::Uuid;

use self::place::Place;
use super::{DynamoStore, Item, decode, failed, keys};
use crate::{
    BatchExecutions,
    backoff::{ATTEMPTS, pause},
    failure::unavailable,
};

/// The most items of one `BatchWriteItem`.
pub(super) const MAX_BATCH: usize = 25;

/// How much older than the newest the oldest execution of an item may be, in milliseconds.
const SPAN_MS: u64 = 1_000;

/// How many items a reading asks for first. The next times it doubles, up to [`MOST_ITEMS`], because it is not known
/// how many executions an item holds: in a Lambda function one, under load a hundred.
const FIRST_ITEMS: i32 = 2;
const MOST_ITEMS: i32 = 64;

/// How many executions a page looks at before it ends without having found enough.
const MOST_LOOKED_AT: usize = 2_000;

#[async_trait]
impl Executions for DynamoStore {
    async fn record(&self, execution: Execution) -> Result<()> {
        self.record_all(std::slice::from_ref(&execution)).await
    }

    async fn page(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ExecutionPage> {
        let after = after.map(str::parse::<Place>).transpose()?;
        let oldest = filter.from.map_or(Uuid::nil(), place::first_at);
        let newest = match (&after, filter.to) {
            (Some(after), _) => after.item,
            (None, Some(to)) => place::later(place::first_at(to), SPAN_MS),
            (None, None) => Uuid::max(),
        };
        let mut reading = self.reading(tenant, oldest, newest, false);
        let mut items = Vec::new();
        let mut end = None;
        let mut looked_at = 0;
        while let Some(found) = reading.next().await? {
            for item in found {
                let key = keys::sort_uuid(&item)?;
                let mut executions: Vec<Execution> = decode(&item)?;
                executions.sort_unstable_by_key(|execution| Reverse(execution.id));
                looked_at += executions.len();
                for execution in executions {
                    let before = execution.id.as_uuid();
                    let is_seen = after.as_ref().is_some_and(|after| after.item == key && before >= after.before);
                    if is_seen || !filter.admits(&execution) {
                        continue;
                    }
                    if items.len() == limit {
                        return Ok(page(items, end));
                    }
                    items.push(execution);
                    end = Some(Place { item: key, before });
                }
                if looked_at >= MOST_LOOKED_AT {
                    return Ok(page(items, Some(Place { item: key, before: Uuid::nil() })));
                }
            }
        }
        Ok(page(items, None))
    }

    async fn by_id(&self, tenant: TenantId, id: ExecutionId) -> Result<Option<Execution>> {
        let oldest = id.as_uuid();
        let mut reading = self.reading(tenant, oldest, place::later(oldest, SPAN_MS), true);
        while let Some(found) = reading.next().await? {
            for item in found {
                let execution = decode::<Vec<Execution>>(&item)?.into_iter().find(|execution| execution.id == id);
                if execution.is_some() {
                    return Ok(execution);
                }
            }
        }
        Ok(None)
    }
}

fn page(mut items: Vec<Execution>, end: Option<Place>) -> ExecutionPage {
    items.sort_unstable_by_key(|execution| Reverse(execution.id));
    ExecutionPage { items, next: end.map(|end| end.to_string()) }
}

/// A range of a tenant's items, read a few at a time.
struct Reading {
    /// None when there is nothing left to read.
    query: Option<QueryFluentBuilder>,
    items: i32,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Vec<Item>>> {
        let Some(query) = self.query.take() else { return Ok(None) };
        let answer = query.clone().limit(self.items).send().await.map_err(|error| failed("Query", &error))?;
        self.query = answer.last_evaluated_key.map(|key| query.set_exclusive_start_key(Some(key)));
        self.items = self.items.saturating_mul(2).min(MOST_ITEMS);
        Ok(Some(answer.items.unwrap_or_default()))
    }
}

#[async_trait]
impl BatchExecutions for DynamoStore {
    async fn record_all(&self, executions: &[Execution]) -> Result<()> {
        let mut puts = item::puts(executions, self.retention)?;
        while !puts.is_empty() {
            let rest = puts.split_off(puts.len().min(MAX_BATCH));
            self.write_batch(puts).await?;
            puts = rest;
        }
        Ok(())
    }
}

impl DynamoStore {
    /// Reads the items whose newest execution is in this range, both ends included.
    fn reading(&self, tenant: TenantId, oldest: Uuid, newest: Uuid, is_forward: bool) -> Reading {
        // DynamoDB takes a range that is the wrong way round for an error.
        let query = (oldest <= newest).then(|| {
            self.client
                .query()
                .table_name(&*self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :partition AND sk BETWEEN :oldest AND :newest")
                .expression_attribute_values(":partition", AttributeValue::S(keys::history(tenant)))
                .expression_attribute_values(":oldest", AttributeValue::S(oldest.to_string()))
                .expression_attribute_values(":newest", AttributeValue::S(newest.to_string()))
                .projection_expression(format!("{}, {}", keys::SK, keys::DOC))
                .scan_index_forward(is_forward)
        });
        Reading { query, items: FIRST_ITEMS }
    }

    /// Writes or deletes these items, at most [`MAX_BATCH`], each for itself.
    pub(super) async fn write_batch(&self, mut requests: Vec<WriteRequest>) -> Result<()> {
        let mut attempt = 0;
        loop {
            let answer = self
                .client
                .batch_write_item()
                .request_items(&*self.table, requests)
                .send()
                .await
                .map_err(|error| failed("BatchWriteItem", &error))?;
            requests = answer.unprocessed_items.unwrap_or_default().remove(&*self.table).unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
            attempt += 1;
            if attempt == ATTEMPTS {
                return Err(unavailable("store").with_context("items of a batch stay unprocessed"));
            }
            pause(attempt).await;
        }
    }
}
