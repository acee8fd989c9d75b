//! The items that executions are recorded in.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use tidegate_core::{Error, Result, execution::Execution};
use uuid::Uuid;

use super::{SPAN_MS, place};
use crate::{
    dynamo::keys::{self, DOC, EXPIRES},
    failure::incomplete,
};

/// The most executions of one item.
const MOST: usize = 100;

/// An item of this size is full, in bytes. An execution has less than 1 KB, or 6 KB with its arguments, and an item may
/// have 400 KB.
const FULL: usize = 300 << 10;

/// Puts executions of any tenants, in any order, into as few items as may be.
pub(super) fn puts(executions: &[Execution], retention: Duration) -> Result<Vec<WriteRequest>> {
    let mut ordered: Vec<&Execution> = executions.iter().collect();
    ordered.sort_unstable_by_key(|execution| (execution.tenant, execution.id));
    let mut puts = Vec::new();
    let mut open: Option<Open<'_>> = None;
    for execution in ordered {
        match &mut open {
            Some(item) if item.has_room_for(execution) => item.add(execution)?,
            _ => {
                let full = open.replace(Open::of(execution)?);
                puts.extend(full.map(|item| item.into_put(retention)).transpose()?);
            }
        }
    }
    puts.extend(open.map(|item| item.into_put(retention)).transpose()?);
    Ok(puts)
}

/// An item that may be added to.
struct Open<'a> {
    newest: &'a Execution,
    /// The id that the newest execution must not be after.
    limit: Uuid,
    count: usize,
    /// A JSON array whose end is missing.
    doc: Vec<u8>,
}

impl<'a> Open<'a> {
    fn of(oldest: &'a Execution) -> Result<Self> {
        let limit = place::later(oldest.id.as_uuid(), SPAN_MS);
        let mut item = Self { newest: oldest, limit, count: 0, doc: Vec::new() };
        item.add(oldest)?;
        Ok(item)
    }

    fn has_room_for(&self, execution: &Execution) -> bool {
        execution.tenant == self.newest.tenant
            && execution.id.as_uuid() <= self.limit
            && self.count < MOST
            && self.doc.len() < FULL
    }

    fn add(&mut self, execution: &'a Execution) -> Result<()> {
        self.doc.push(if self.count == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut self.doc, execution).map_err(Error::internal)?;
        self.newest = execution;
        self.count += 1;
        Ok(())
    }

    fn into_put(mut self, retention: Duration) -> Result<WriteRequest> {
        self.doc.push(b']');
        let doc = String::from_utf8(self.doc).map_err(Error::internal)?;
        let retention = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
        let expires = self.newest.started_at.timestamp().saturating_add(retention);
        let put = PutRequest::builder()
            .set_item(Some(keys::executions(self.newest.tenant, self.newest.id)))
            .item(DOC, AttributeValue::S(doc))
            .item(EXPIRES, AttributeValue::N(expires.to_string()))
            .build()
            .map_err(incomplete)?;
        Ok(WriteRequest::builder().put_request(put).build())
    }
}
