//! The history of executions.
//!
//! One item holds all executions of a tenant that are recorded together. An item of its own for each would cost about
//! ten times the processor time on the embedded database, and twice the write units on AWS.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use tidegate_core::{Result, execution::Execution, id::TenantId, ports::Executions};

use super::{DynamoStore, decode, encode, failed, keys};
use crate::{
    BatchExecutions,
    backoff::{ATTEMPTS, pause},
    failure::{incomplete, unavailable},
};

/// The most items of one `BatchWriteItem`.
const MAX_BATCH: usize = 25;

/// The most executions of one item. One has less than 1 KB, and an item may have 400 KB.
const MAX_PER_ITEM: usize = 100;

/// How many items the first page of a reading asks for. The next pages double it, because it is not known how many
/// executions an item holds: in a Lambda function one, under load a hundred.
const FIRST_PAGE: i32 = 2;

#[async_trait]
impl Executions for DynamoStore {
    async fn record(&self, execution: Execution) -> Result<()> {
        self.record_all(std::slice::from_ref(&execution)).await
    }

    /// Executions that different processes record in the same moment may be out of order.
    async fn newest(&self, tenant: TenantId, limit: usize) -> Result<Vec<Execution>> {
        let query = self
            .client
            .query()
            .table_name(&*self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :partition")
            .expression_attribute_values(":partition", AttributeValue::S(keys::history(tenant)))
            .projection_expression(keys::DOC)
            .scan_index_forward(false);
        let mut newest: Vec<Execution> = Vec::new();
        let mut start = None;
        let mut items = FIRST_PAGE;
        while newest.len() < limit {
            let page = query
                .clone()
                .limit(items)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| failed("Query", &error))?;
            for item in page.items.unwrap_or_default() {
                newest.extend(decode::<Vec<Execution>>(&item)?);
            }
            match page.last_evaluated_key {
                Some(key) => start = Some(key),
                None => break,
            }
            items = items.saturating_mul(2);
        }
        newest.sort_unstable_by_key(|execution| Reverse(execution.id));
        newest.truncate(limit);
        Ok(newest)
    }
}

#[async_trait]
impl BatchExecutions for DynamoStore {
    async fn record_all(&self, executions: &[Execution]) -> Result<()> {
        let mut tenants: BTreeMap<TenantId, Vec<&Execution>> = BTreeMap::new();
        for execution in executions {
            tenants.entry(execution.tenant).or_default().push(execution);
        }
        let groups = tenants.values().flat_map(|executions| executions.chunks(MAX_PER_ITEM));
        let mut puts = groups.map(|group| put(group, self.retention)).collect::<Result<Vec<_>>>()?;
        while !puts.is_empty() {
            let rest = puts.split_off(puts.len().min(MAX_BATCH));
            self.write(puts).await?;
            puts = rest;
        }
        Ok(())
    }
}

impl DynamoStore {
    async fn write(&self, mut requests: Vec<WriteRequest>) -> Result<()> {
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

/// The item of executions of one tenant, which are not none. It has the key of the newest.
fn put(group: &[&Execution], retention: Duration) -> Result<WriteRequest> {
    let newest = group.iter().max_by_key(|execution| execution.id).ok_or_else(|| incomplete("an item of nothing"))?;
    let retention = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
    let expires = newest.started_at.timestamp().saturating_add(retention);
    let put = PutRequest::builder()
        .set_item(Some(keys::executions(newest.tenant, newest.id)))
        .item(keys::DOC, encode(&group)?)
        .item(keys::EXPIRES, AttributeValue::N(expires.to_string()))
        .build()
        .map_err(incomplete)?;
    Ok(WriteRequest::builder().put_request(put).build())
}
