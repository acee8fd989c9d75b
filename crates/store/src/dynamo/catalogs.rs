//! The last snapshot of each source's catalog.
//!
//! A head in the tenant's partition says when it was taken and what its content hashes to. The content lies beside, in
//! parts that fit into items, compressed. Head and parts are written in one transaction, over the head that was read
//! before: a snapshot is there whole or not at all, and of two runs at once one is refused.

use std::io::{Read, Write};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_core::{
    Error, ErrorCode, Result,
    id::{SourceId, TenantId},
    ports::CatalogSnapshots,
    snapshot::{CatalogContent, CatalogSnapshot},
};

use super::{DynamoStore, Item, damaged, decode, encode, keys, transaction::Cancelled};
use crate::failure::{incomplete, unavailable};

const DIGEST: &str = "digest";
const PIECE: &str = "piece";

/// The size of a part. An item holds 400 KB.
const PART_BYTES: usize = 380_000;
/// The most parts. A transaction holds 4 MB.
const MAX_PARTS: usize = 10;

/// How often a snapshot is read that changes while it is read.
const READS: usize = 3;

/// What is kept of a snapshot beside its content.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    taken_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    /// The SHA-256 of the content as JSON, in base64.
    digest: String,
    parts: usize,
}

#[async_trait]
impl CatalogSnapshots for DynamoStore {
    async fn keep(
        &self,
        tenant: TenantId,
        source: SourceId,
        content: &CatalogContent,
        taken_at: DateTime<Utc>,
    ) -> Result<bool> {
        let text = serde_json::to_vec(content).map_err(Error::internal)?;
        let digest = STANDARD.encode(Sha256::digest(&text));
        let before = self.head(tenant, source).await?;
        if let Some(before) = before.as_ref().filter(|before| before.digest == digest) {
            let head = Head { taken_at, changed_at: before.changed_at, digest, parts: before.parts };
            self.swap(vec![self.put_head(tenant, source, &head, Some(before))?]).await?;
            return Ok(false);
        }
        let pieces = compress(&text)?;
        let pieces: Vec<_> = pieces.chunks(PART_BYTES).collect();
        if pieces.len() > MAX_PARTS {
            return Err(Error::new(ErrorCode::LimitExceeded, "the catalog is too large to be kept"));
        }
        let head = Head { taken_at, changed_at: taken_at, digest, parts: pieces.len() };
        let mut actions = vec![self.put_head(tenant, source, &head, before.as_ref())?];
        for (number, piece) in pieces.iter().enumerate() {
            let put = Put::builder()
                .table_name(&*self.table)
                .set_item(Some(keys::catalog_part(tenant, source, number)))
                .item(DIGEST, AttributeValue::S(head.digest.clone()))
                .item(PIECE, AttributeValue::B(Blob::new(*piece)));
            actions.push(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build());
        }
        for number in head.parts..before.map_or(0, |before| before.parts) {
            actions.push(self.delete_item(keys::catalog_part(tenant, source, number), None)?);
        }
        self.swap(actions).await.map(|()| true)
    }

    async fn last(&self, tenant: TenantId, source: SourceId) -> Result<Option<CatalogSnapshot>> {
        for _ in 0..READS {
            let Some(head) = self.head(tenant, source).await? else { return Ok(None) };
            let query = self
                .client
                .query()
                .key_condition_expression("pk = :partition AND begins_with(sk, :source)")
                .expression_attribute_values(":partition", AttributeValue::S(keys::catalogs(tenant)))
                .expression_attribute_values(":source", AttributeValue::S(format!("{source}#")));
            let parts = self.items(query).await?;
            let is_of_head = |part: &Item| part.get(DIGEST).and_then(|it| it.as_s().ok()) == Some(&head.digest);
            // The head and the parts are read one after the other, so they may be of two snapshots.
            if parts.len() == head.parts && parts.iter().all(is_of_head) {
                let content = decompress(&parts)?;
                return Ok(Some(CatalogSnapshot { taken_at: head.taken_at, changed_at: head.changed_at, content }));
            }
        }
        Err(unavailable("store").with_context("a snapshot changes while it is read"))
    }

    async fn sources(&self, tenant: TenantId) -> Result<Vec<SourceId>> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :partition AND begins_with(sk, :catalogs)")
            .expression_attribute_values(":partition", AttributeValue::S(keys::partition(tenant)))
            .expression_attribute_values(":catalogs", AttributeValue::S(keys::CATALOG_PREFIX.to_owned()))
            .projection_expression(keys::SK);
        self.items(query).await?.iter().map(keys::source_of).collect()
    }

    async fn forget(&self, tenant: TenantId, source: SourceId) -> Result<()> {
        let Some(head) = self.head(tenant, source).await? else { return Ok(()) };
        let mut actions = vec![self.delete_item(keys::catalog(tenant, source), Some(&head))?];
        for number in 0..head.parts {
            actions.push(self.delete_item(keys::catalog_part(tenant, source, number), None)?);
        }
        self.swap(actions).await
    }
}

impl DynamoStore {
    async fn head(&self, tenant: TenantId, source: SourceId) -> Result<Option<Head>> {
        self.item(keys::catalog(tenant, source), keys::DOC).await?.as_ref().map(decode).transpose()
    }

    /// Writes a head over the one that was read.
    fn put_head(
        &self,
        tenant: TenantId,
        source: SourceId,
        head: &Head,
        before: Option<&Head>,
    ) -> Result<TransactWriteItem> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(keys::catalog(tenant, source)))
            .item(DIGEST, AttributeValue::S(head.digest.clone()))
            .item(keys::DOC, encode(head)?);
        let put = match before {
            Some(before) => put
                .condition_expression("digest = :before")
                .expression_attribute_values(":before", AttributeValue::S(before.digest.clone())),
            None => put.condition_expression("attribute_not_exists(pk)"),
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build())
    }

    /// Deletes an item; a head only while it is the one that was read.
    fn delete_item(&self, key: Item, head: Option<&Head>) -> Result<TransactWriteItem> {
        let mut delete = Delete::builder().table_name(&*self.table).set_key(Some(key));
        if let Some(head) = head {
            delete = delete
                .condition_expression("digest = :before")
                .expression_attribute_values(":before", AttributeValue::S(head.digest.clone()));
        }
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build())
    }

    async fn swap(&self, actions: Vec<TransactWriteItem>) -> Result<()> {
        self.transact(actions).await.map_err(|cancelled| match cancelled {
            Cancelled::Other(error) => error,
            Cancelled::Conditions(_) => {
                Error::new(ErrorCode::VersionConflict, "another process keeps a snapshot of this source")
            }
        })
    }
}

fn compress(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).map_err(Error::internal)
}

/// Reads the content out of its parts, which are in their order.
fn decompress(parts: &[Item]) -> Result<CatalogContent> {
    let mut compressed = Vec::new();
    for part in parts {
        let piece = part.get(PIECE).and_then(|piece| piece.as_b().ok());
        compressed.extend_from_slice(piece.ok_or_else(|| damaged("a part has no piece"))?.as_ref());
    }
    let mut text = Vec::new();
    ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut text).map_err(damaged)?;
    serde_json::from_slice(&text).map_err(damaged)
}
