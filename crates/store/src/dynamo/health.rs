//! What the last checks of sources found.

use std::{collections::BTreeMap, ops::RangeInclusive};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_core::{
    Result,
    health::SourceHealth,
    id::{SourceId, TenantId},
    ports::SourceHealths,
};

use super::{DynamoStore, decode, encode, failed, keys};

/// How long a check is remembered, in seconds. One that is older says nothing of today.
const KEPT_S: i64 = 7 * 24 * 60 * 60;

#[async_trait]
impl SourceHealths for DynamoStore {
    async fn record(&self, tenant: TenantId, source: SourceId, health: &SourceHealth) -> Result<()> {
        let expires = health.checked_at.timestamp() + KEPT_S;
        // Repeating it does no harm, so it needs no transaction.
        self.client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(keys::health(tenant, source)))
            .item(keys::DOC, encode(health)?)
            .item(keys::EXPIRES, AttributeValue::N(expires.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("PutItem", &error))
    }

    async fn of_sources(
        &self,
        tenant: TenantId,
        sources: RangeInclusive<SourceId>,
    ) -> Result<BTreeMap<SourceId, SourceHealth>> {
        let (first, last) = sources.into_inner();
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :partition AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":partition", AttributeValue::S(keys::partition(tenant)))
            .expression_attribute_values(":first", AttributeValue::S(keys::health_sort(first)))
            .expression_attribute_values(":last", AttributeValue::S(keys::health_sort(last)))
            .projection_expression("sk, doc");
        let items = self.items(query).await?;
        items.iter().map(|item| Ok((keys::source_of(item)?, decode(item)?))).collect()
    }
}
