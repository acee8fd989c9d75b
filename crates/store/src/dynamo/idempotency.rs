//! What requests stored that may come again. It is written with the entity, by the repository.

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use tidegate_core::{
    Result,
    id::TenantId,
    idempotency::{IdempotentRequest, RECOGNISED_FOR},
};
use uuid::Uuid;

use super::{DynamoStore, Item, damaged, keys, refusal::reused};
use crate::failure::incomplete;

const FINGERPRINT: &str = "fingerprint";

impl DynamoStore {
    /// Notes that `request` stored the entity with this id, if it stored none before. A note that has expired may still
    /// be there: DynamoDB removes it within days.
    pub(super) fn note_request(
        &self,
        tenant: TenantId,
        request: &IdempotentRequest,
        id: Uuid,
    ) -> Result<TransactWriteItem> {
        let now = request.at.timestamp();
        let expires = now.saturating_add_unsigned(RECOGNISED_FOR.as_secs());
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(keys::request(tenant, request)))
            .item(keys::ID, AttributeValue::S(id.to_string()))
            .item(FINGERPRINT, AttributeValue::S(request.fingerprint.clone()))
            .item(keys::EXPIRES, AttributeValue::N(expires.to_string()))
            .condition_expression("attribute_not_exists(pk) OR expires <= :now")
            .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The id of what `request` stored when it came before.
    pub(super) async fn noted_id(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        let wanted = format!("{}, {FINGERPRINT}, {}", keys::ID, keys::EXPIRES);
        let Some(note) = self.item(keys::request(tenant, request), &wanted).await? else { return Ok(None) };
        let expires: i64 = note
            .get(keys::EXPIRES)
            .and_then(|expires| expires.as_n().ok()?.parse().ok())
            .ok_or_else(|| damaged("the note of a request has no end"))?;
        if expires <= request.at.timestamp() { Ok(None) } else { id_in(&note, request).map(Some) }
    }
}

/// The id in the note of a request, which has to be this one.
pub(super) fn id_in(note: &Item, request: &IdempotentRequest) -> Result<Uuid> {
    if note.get(FINGERPRINT).and_then(|fingerprint| fingerprint.as_s().ok()) != Some(&request.fingerprint) {
        return Err(reused());
    }
    keys::id(note).ok_or_else(|| damaged("the note of a request leads to no id"))
}
