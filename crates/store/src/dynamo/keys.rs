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

/// Every attribute that an item may have beside its key, as the table in the README lists them.
pub(super) const ATTRIBUTES: [&str; 13] = [
    DOC,
    EXPIRES,
    ID,
    USED_BY,
    VERSION,
    "digest",
    "fingerprint",
    "held_by",
    "held_until",
    "label",
    "name",
    "piece",
    "tags",
];

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
    key(partition(tenant), format!("{}{name}", name_prefix(kind)))
}

/// What the sort keys of the names of all entities of a kind begin with.
pub(super) fn name_prefix(kind: EntityKind) -> String {
    format!("NAME#{}#", word(kind))
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
    use std::collections::BTreeSet;

    use tidegate_core::{name::MAX_NAME_LENGTH, ports::MAX_COUNT};

    use super::*;

    #[test]
    fn the_table_in_the_readme_lists_every_attribute() {
        let readme = include_str!("../../README.md");
        let rows = readme.lines().skip_while(|line| !line.starts_with("| item |")).skip(2);
        let last_columns = rows.map_while(|row| row.strip_suffix(" |")?.rsplit(" | ").next());
        let words = last_columns.flat_map(|column| column.split('`').skip(1).step_by(2));
        let is_attribute = |word: &&str| word.chars().all(|it| it.is_ascii_lowercase() || it == '_');
        let listed: BTreeSet<&str> = words.filter(is_attribute).collect();
        assert_eq!(listed, BTreeSet::from(ATTRIBUTES));
    }

    #[test]
    fn the_names_that_are_counted_fit_one_answer_of_dynamodb() {
        let longest = "n".repeat(MAX_NAME_LENGTH).parse().unwrap();
        let key = name(TenantId::from_uuid(Uuid::now_v7()), EntityKind::ApiKey, &longest);
        let texts = key.iter().map(|(attribute, value)| attribute.len() + value.as_s().unwrap().len());
        let size = texts.sum::<usize>() + ID.len() + Uuid::now_v7().to_string().len();
        assert!(size * usize::from(MAX_COUNT) < 1 << 20, "{size} bytes each");
    }

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

    /// The roles of functions name the partitions that they write.
    #[test]
    fn the_partitions_of_tenants_are_those_that_terraform_names() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/functions.tf");
        let roles = std::fs::read_to_string(path).unwrap();
        let tenant = TenantId::from_uuid(Uuid::now_v7());
        let own = partition(tenant);
        let shape: String = own.chars().map(|it| if it.is_ascii_hexdigit() { '?' } else { it }).collect();
        assert!(roles.contains(&format!("tenant = \"{shape}\"")), "{shape}");
        for beside in [history(tenant), catalogs(tenant)] {
            let shape = beside.replacen(&own, "${local.tenant}", 1);
            assert!(roles.contains(&format!("\"{shape}\"")), "{shape}");
        }
    }
}
