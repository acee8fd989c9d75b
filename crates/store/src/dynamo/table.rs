//! The table itself. On AWS, Terraform makes it; the local backend and tests make it here.

use std::time::Duration;

use aws_sdk_dynamodb::{
    client::Waiters,
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
        TimeToLiveStatus,
    },
};
use tidegate_core::Result;

use super::{DynamoStore, failed, keys};
use crate::failure::{incomplete, unavailable};

impl DynamoStore {
    /// Makes the table when there is none, with its expiry attribute. Repeating it does no harm.
    pub async fn create_table(&self) -> Result<()> {
        let mut create = self.client.create_table().table_name(&*self.table).billing_mode(BillingMode::PayPerRequest);
        for (name, role) in [(keys::PK, KeyType::Hash), (keys::SK, KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder().attribute_name(name).key_type(role);
            create = create
                .attribute_definitions(attribute.build().map_err(incomplete)?)
                .key_schema(key.build().map_err(incomplete)?);
        }
        match create.send().await {
            Ok(_) => self.wait_until_active().await?,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {}
            Err(error) => return Err(failed("CreateTable", &error)),
        }
        self.expire_items().await
    }

    async fn wait_until_active(&self) -> Result<()> {
        self.client
            .wait_until_table_exists()
            .table_name(&*self.table)
            .wait(Duration::from_secs(60))
            .await
            .map(drop)
            .map_err(|error| unavailable("store").with_context(error).with_context("the table is being made"))
    }

    async fn expire_items(&self) -> Result<()> {
        let described = self
            .client
            .describe_time_to_live()
            .table_name(&*self.table)
            .send()
            .await
            .map_err(|error| failed("DescribeTimeToLive", &error))?;
        let status = described.time_to_live_description.and_then(|expiry| expiry.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name(keys::EXPIRES);
        self.client
            .update_time_to_live()
            .table_name(&*self.table)
            .time_to_live_specification(expiry.build().map_err(incomplete)?)
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("UpdateTimeToLive", &error))
    }
}
