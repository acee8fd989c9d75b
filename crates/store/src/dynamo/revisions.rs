//! The revisions of queries. They are written with their query, by the repository, and read here.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_core::{
    Result,
    id::{QueryId, TenantId},
    ports::Revisions,
    query::Revision,
};

use super::{DynamoStore, decode, keys};

#[async_trait]
impl Revisions for DynamoStore {
    async fn by_number(&self, tenant: TenantId, query: QueryId, number: u64) -> Result<Option<Revision>> {
        let key = keys::revision(tenant, query.as_uuid(), number);
        self.item(key, keys::DOC).await?.as_ref().map(decode).transpose()
    }

    async fn newest(
        &self,
        tenant: TenantId,
        query: QueryId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Revision>> {
        let newest = before.map_or(u64::MAX, |before| before.saturating_sub(1));
        let sort = |number| AttributeValue::S(keys::revision_sort(query.as_uuid(), number));
        let reading = self
            .client
            .query()
            .key_condition_expression("pk = :partition AND sk BETWEEN :oldest AND :newest")
            .expression_attribute_values(":partition", AttributeValue::S(keys::partition(tenant)))
            .expression_attribute_values(":oldest", sort(0))
            .expression_attribute_values(":newest", sort(newest))
            .projection_expression(keys::DOC)
            .scan_index_forward(false);
        self.first_items(reading, None, limit).await?.iter().map(decode).collect()
    }
}
