//! The keys and attributes of items.

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_core::{
    Name, Result,
    id::{ExecutionId, SourceId, TenantId},
    idempotency::IdempotentRequest,
    ports::{EntityKind, Reference},
};
use uuid::Uuid;

use super::{Item, damaged};

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";
pub(super) const DOC: &str = "doc";
pub(super) const EXPIRES: &str = "expires";
pub(super) const ID: &str = "id";
pub(super) const USED_BY: &str = "used_by";
pub(super) const VERSION: &str = "version";

/// What the partitions of tenants begin with, each of which holds one.
pub(super) const TENANT: &str = "TENANT#";
/// The partition that lists the tenants.
pub(super) const DIRECTORY: &str = "TENANTS";
/// The partition of what the store keeps about itself.
pub(super) const LEDGER: &str = "STORE";

pub(super) fn key(partition: String, sort: String) -> Item {
    Item::from([(PK.to_owned(), AttributeValue::S(partition)), (SK.to_owned(), AttributeValue::S(sort))])
}

pub(super) fn entity(tenant: TenantId, reference: Reference) -> Item {
    key(partition(tenant), self::reference(reference))
}

pub(super) fn name(tenant: TenantId, kind: EntityKind, name: &Name) -> Item {
    key(partition(tenant), format!("NAME#{}#{name}", word(kind)))
}

/// The key of the note of what a request stored.
pub(super) fn request(tenant: TenantId, request: &IdempotentRequest) -> Item {
    key(partition(tenant), format!("REQUEST#{}", request.key))
}

/// The key of a revision of a query.
pub(super) fn revision(tenant: TenantId, query: Uuid, number: u64) -> Item {
    key(partition(tenant), revision_sort(query, number))
}

/// The sort key of a revision. The digits of the number are as many as the greatest has, so that texts sort as numbers.
pub(super) fn revision_sort(query: Uuid, number: u64) -> String {
    format!("REVISION#{query}#{number:020}")
}

pub(super) fn tenant(name: &Name) -> Item {
    key(format!("{TENANT}{name}"), "TENANT".to_owned())
}

/// The key of a tenant in the directory, which is in the order of ids.
pub(super) fn listed_tenant(tenant: Uuid) -> Item {
    key(DIRECTORY.to_owned(), tenant.to_string())
}

/// The key of an item.
pub(super) fn of(item: &Item) -> Item {
    item.iter()
        .filter(|(name, _)| [PK, SK].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The partition and the sort key of an item.
pub(super) fn texts(item: &Item) -> Result<(String, String)> {
    let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    text(PK).zip(text(SK)).ok_or_else(|| damaged("it has no key"))
}

/// Whether a key is that of something that the store keeps about itself.
pub(super) fn is_ledger(key: &Item) -> bool {
    key.get(PK) == Some(&AttributeValue::S(LEDGER.to_owned()))
}

/// The key of something that the store keeps about itself.
pub(super) fn ledger(sort: impl Into<String>) -> Item {
    key(LEDGER.to_owned(), sort.into())
}

/// The key of executions that were recorded together, the newest of which has this id.
pub(super) fn executions(tenant: TenantId, newest: ExecutionId) -> Item {
    key(history(tenant), newest.to_string())
}

/// The key of what the last check of a source found.
pub(super) fn health(tenant: TenantId, source: SourceId) -> Item {
    key(partition(tenant), health_sort(source))
}

pub(super) fn health_sort(source: SourceId) -> String {
    format!("HEALTH#{source}")
}

/// What the sort keys of the heads of snapshots begin with.
pub(super) const CATALOG_PREFIX: &str = "CATALOG#";

/// The key of the head of the snapshot of a source.
pub(super) fn catalog(tenant: TenantId, source: SourceId) -> Item {
    key(partition(tenant), format!("{CATALOG_PREFIX}{source}"))
}

/// The partition of the contents of snapshots.
pub(super) fn catalogs(tenant: TenantId) -> String {
    format!("T#{tenant}#CATALOG")
}

/// The key of a part of a snapshot, counted from 0. The parts sort in their order.
pub(super) fn catalog_part(tenant: TenantId, source: SourceId, number: usize) -> Item {
    key(catalogs(tenant), format!("{source}#{number:02}"))
}

/// The source in the sort key of its health or its snapshot.
pub(super) fn source_of(item: &Item) -> Result<SourceId> {
    let text = item.get(SK).and_then(|value| value.as_s().ok()).ok_or_else(|| damaged("it has no sort key"))?;
    text.split_once('#').and_then(|(_, id)| id.parse().ok()).ok_or_else(|| damaged("its sort key names no source"))
}

/// The key of where a task goes on.
pub(super) fn progress(task: &str) -> Item {
    key("SYNC".to_owned(), task.to_owned())
}

/// The id that an item leads to.
pub(super) fn id(item: &Item) -> Option<Uuid> {
    item.get(ID).and_then(|id| Uuid::parse_str(id.as_s().ok()?).ok())
}

/// The sort key of an item of executions.
pub(super) fn sort_uuid(item: &Item) -> Result<Uuid> {
    let text = item.get(SK).and_then(|value| value.as_s().ok()).ok_or_else(|| damaged("it has no sort key"))?;
    Uuid::try_parse(text).map_err(damaged)
}

/// The partition of what a tenant registered.
pub(super) fn partition(tenant: TenantId) -> String {
    format!("T#{tenant}")
}

/// The partition of a tenant's executions.
pub(super) fn history(tenant: TenantId) -> String {
    format!("T#{tenant}#EXEC")
}

/// What the sort keys of all entities of a kind begin with.
pub(super) fn prefix(kind: EntityKind) -> String {
    format!("{}#", word(kind))
}

/// An entity's sort key, which is also how others that need it are noted on it.
pub(super) fn reference(reference: Reference) -> String {
    format!("{}#{}", word(reference.kind), reference.id)
}

/// Reads back what [`reference`] wrote.
pub(super) fn parse_reference(text: &str) -> Option<Reference> {
    let (kind, id) = text.split_once('#')?;
    let kind = [EntityKind::Source, EntityKind::Query, EntityKind::Server, EntityKind::ApiKey]
        .into_iter()
        .find(|candidate| word(*candidate) == kind)?;
    Some(Reference { kind, id: Uuid::parse_str(id).ok()? })
}

const fn word(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Source => "SOURCE",
        EntityKind::Query => "QUERY",
        EntityKind::Server => "SERVER",
        EntityKind::ApiKey => "API_KEY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_back() {
        for kind in [EntityKind::Source, EntityKind::Query, EntityKind::Server, EntityKind::ApiKey] {
            let given = Reference { kind, id: Uuid::now_v7() };
            assert_eq!(parse_reference(&reference(given)), Some(given));
        }
        assert_eq!(parse_reference("SOURCE"), None);
        assert_eq!(parse_reference("OTHER#0199a0a0-0000-7000-8000-000000000000"), None);
        assert_eq!(parse_reference("SOURCE#x"), None);
    }
}
