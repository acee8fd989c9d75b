//! Entities: one implementation for every kind.
//!
//! Three things are kept true by transactions: an entity and its name item come and go together, an entity is only
//! written over the version it was made from, and what an entity needs carries a note (`used_by`) that keeps it from
//! being deleted. The revisions that an entity holds are stored beside it in the same transactions.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, Update,
};
use tidegate_core::{
    Error, Name, Result,
    id::TenantId,
    idempotency::IdempotentRequest,
    ports::{Entity, Filter, MAX_COUNT, Page, Reference, Repository},
    query::Revision,
};
use uuid::Uuid;

use super::{
    DynamoStore, Item, damaged, decode, encode, failed,
    idempotency::id_in,
    keys,
    refusal::{conflict, gone, in_use, missing, renamed, taken, too_many_changes, too_many_references},
    transaction::{Cancelled, MAX_ACTIONS, Unmet},
};
use crate::failure::incomplete;

/// The most references of one entity. A transaction holds 100 actions; making an entity takes three and one for each.
pub const MAX_REFERENCES: usize = 97;

#[async_trait]
impl<T: Entity> Repository<T> for DynamoStore {
    fn fresh(self: Arc<Self>) -> Arc<dyn Repository<T>> {
        self
    }

    async fn create(&self, entity: &T) -> Result<()> {
        let actions = self.creation(entity)?;
        self.transact(actions).await.map_err(|cancelled| match cancelled {
            Cancelled::Other(error) => error,
            Cancelled::Conditions(unmet) => uncreated(entity, &unmet),
        })
    }

    async fn create_once(&self, entity: &T, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        let mut actions = self.creation(entity)?;
        let note = actions.len();
        actions.push(self.note_request(entity.tenant(), request, entity.id())?);
        match self.transact(actions).await {
            Ok(()) => Ok(None),
            Err(Cancelled::Other(error)) => Err(error),
            // When the request came before, its name is taken too: by what it made.
            Err(Cancelled::Conditions(unmet)) => match unmet.iter().find(|unmet| unmet.action == note) {
                Some(Unmet { item: Some(item), .. }) => id_in(item, request).map(Some),
                Some(_) => Err(damaged("the note of a request is there and is not given")),
                None => Err(uncreated(entity, &unmet)),
            },
        }
    }

    async fn stored_by(&self, tenant: TenantId, request: &IdempotentRequest) -> Result<Option<Uuid>> {
        self.noted_id(tenant, request).await
    }

    async fn get(&self, tenant: TenantId, id: Uuid) -> Result<Option<Arc<T>>> {
        let key = keys::entity(tenant, Reference { kind: T::KIND, id });
        self.item(key, keys::DOC).await?.as_ref().map(decode).transpose()
    }

    async fn find(&self, tenant: TenantId, name: &Name) -> Result<Option<Arc<T>>> {
        let Some(item) = self.item(keys::name(tenant, T::KIND, name), keys::ID).await? else { return Ok(None) };
        let id = keys::id(&item).ok_or_else(|| damaged("a name leads to no id"))?;
        self.get(tenant, id).await
    }

    async fn list(&self, tenant: TenantId, filter: &Filter, after: Option<Uuid>, limit: usize) -> Result<Page<T>> {
        let mut query = self
            .client
            .query()
            .key_condition_expression("pk = :partition AND begins_with(sk, :kind)")
            .expression_attribute_values(":partition", AttributeValue::S(keys::partition(tenant)))
            .expression_attribute_values(":kind", AttributeValue::S(keys::prefix(T::KIND)))
            .projection_expression(keys::DOC);
        let mut conditions = Vec::new();
        if let Some(tag) = &filter.tag {
            conditions.push("contains(tags, :tag)");
            query = query.expression_attribute_values(":tag", AttributeValue::S(tag.clone()));
        }
        if let Some(label) = &filter.label {
            conditions.push("label = :label");
            query = query.expression_attribute_values(":label", AttributeValue::S(label.clone()));
        }
        if !conditions.is_empty() {
            query = query.filter_expression(conditions.join(" AND "));
        }
        let start = after.map(|id| keys::entity(tenant, Reference { kind: T::KIND, id }));
        self.page_of(query, start, limit, T::id).await
    }

    async fn count(&self, tenant: TenantId, at_most: u16) -> Result<u16> {
        // The items of names are small, whatever the entities are: 5,000 of the longest have less than the megabyte of
        // one answer.
        let at_most = at_most.clamp(1, MAX_COUNT);
        let counted = self
            .client
            .query()
            .table_name(&*self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :partition AND begins_with(sk, :names)")
            .expression_attribute_values(":partition", AttributeValue::S(keys::partition(tenant)))
            .expression_attribute_values(":names", AttributeValue::S(keys::name_prefix(T::KIND)))
            .select(Select::Count)
            .limit(at_most.into())
            .send()
            .await
            .map_err(|error| failed("Query", &error))?;
        u16::try_from(counted.count).map_err(Error::internal)
    }

    async fn replace(&self, entity: &T) -> Result<()> {
        let wanted = references(entity)?;
        // The condition on the version makes sure that the entity read here is the one that is replaced.
        let old: Arc<T> = self.get(entity.tenant(), entity.id()).await?.ok_or_else(|| gone(entity))?;
        if old.version() + 1 != entity.version() {
            return Err(conflict(entity, old.version()));
        }
        if old.name() != entity.name() {
            return Err(renamed(&*old));
        }
        let held: BTreeSet<_> = old.references().into_iter().collect();
        let changes: Vec<_> = wanted
            .difference(&held)
            .map(|added| (*added, Note::Add))
            .chain(held.difference(&wanted).map(|removed| (*removed, Note::Remove)))
            .collect();
        if changes.len() >= MAX_ACTIONS {
            return Err(too_many_changes(entity, MAX_ACTIONS - 1));
        }

        let update = Update::builder()
            .table_name(&*self.table)
            .set_key(Some(self_key(entity)))
            .update_expression("SET doc = :doc, version = :version, tags = :tags, label = :label")
            .condition_expression("version = :old")
            .expression_attribute_values(":doc", encode(entity)?)
            .expression_attribute_values(":version", AttributeValue::N(entity.version().to_string()))
            .expression_attribute_values(":tags", tags(entity))
            .expression_attribute_values(":label", label(entity))
            .expression_attribute_values(":old", AttributeValue::N(old.version().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        let mut actions = Vec::with_capacity(1 + changes.len());
        actions.push(TransactWriteItem::builder().update(update).build());
        for (reference, note) in &changes {
            actions.push(self.note_use(entity, *reference, *note)?);
        }
        let stored = old.held_revisions();
        for revision in entity.held_revisions().into_iter().filter(|held| !stored.contains(held)) {
            actions.push(self.put_revision(entity, revision)?);
        }
        for number in old.kept_revisions().difference(&entity.kept_revisions()) {
            actions.push(self.delete_revision(entity, *number)?);
        }
        self.transact(actions).await.map_err(|cancelled| match cancelled {
            Cancelled::Other(error) => error,
            Cancelled::Conditions(unmet) => match unmet.iter().find(|unmet| unmet.action == 0) {
                Some(Unmet { item: Some(item), .. }) => conflict(entity, version(item)),
                Some(_) => gone(entity),
                None => missing(entity, changes.into_iter().map(|(reference, _)| reference), 1, &unmet),
            },
        })
    }

    async fn delete(&self, entity: &T) -> Result<()> {
        let references = references(entity)?;
        let delete = Delete::builder()
            .table_name(&*self.table)
            .set_key(Some(self_key(entity)))
            .condition_expression("version = :version AND attribute_not_exists(used_by)")
            .expression_attribute_values(":version", AttributeValue::N(entity.version().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let name = Delete::builder().table_name(&*self.table).set_key(Some(keys::name(
            entity.tenant(),
            T::KIND,
            entity.name(),
        )));
        let mut actions = Vec::with_capacity(2 + references.len());
        for delete in [delete, name] {
            actions.push(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build());
        }
        for reference in &references {
            actions.push(self.note_use(entity, *reference, Note::Remove)?);
        }
        for number in entity.kept_revisions() {
            actions.push(self.delete_revision(entity, number)?);
        }
        self.transact(actions).await.map_err(|cancelled| match cancelled {
            Cancelled::Other(error) => error,
            Cancelled::Conditions(unmet) => match unmet.iter().find(|unmet| unmet.action == 0) {
                Some(Unmet { item: Some(item), .. }) if version(item) != entity.version() => {
                    conflict(entity, version(item))
                }
                Some(Unmet { item: Some(item), .. }) => in_use(entity, &users(item)),
                Some(_) => gone(entity),
                None => missing(entity, references.into_iter(), 2, &unmet),
            },
        })
    }

    async fn users(&self, tenant: TenantId, id: Uuid) -> Result<Vec<Reference>> {
        let item = self.item(keys::entity(tenant, Reference { kind: T::KIND, id }), keys::USED_BY).await?;
        Ok(item.as_ref().map(users).unwrap_or_default())
    }
}

/// Whether a note of use is written or taken away.
#[derive(Clone, Copy)]
enum Note {
    Add,
    Remove,
}

impl DynamoStore {
    /// What makes an entity: itself, its name, its notes of use, and its revisions.
    pub(super) fn creation<T: Entity>(&self, entity: &T) -> Result<Vec<TransactWriteItem>> {
        let references = references(entity)?;
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(self_key(entity)))
            .item("name", AttributeValue::S(entity.name().to_string()))
            .item("tags", tags(entity))
            .item("label", label(entity))
            .item(keys::VERSION, AttributeValue::N(entity.version().to_string()))
            .item(keys::DOC, encode(entity)?)
            .condition_expression("attribute_not_exists(pk)");
        let name = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(keys::name(entity.tenant(), T::KIND, entity.name())))
            .item(keys::ID, AttributeValue::S(entity.id().to_string()))
            .condition_expression("attribute_not_exists(pk)");
        let mut actions = Vec::with_capacity(3 + references.len());
        for put in [put, name] {
            actions.push(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build());
        }
        for reference in references {
            actions.push(self.note_use(entity, reference, Note::Add)?);
        }
        for revision in entity.held_revisions() {
            actions.push(self.put_revision(entity, revision)?);
        }
        Ok(actions)
    }

    /// Notes on what `entity` refers to that it is in use, or that it no longer is. Either needs it to exist.
    fn note_use<T: Entity>(&self, entity: &T, target: Reference, note: Note) -> Result<TransactWriteItem> {
        let user = keys::reference(Reference { kind: T::KIND, id: entity.id() });
        let update = Update::builder()
            .table_name(&*self.table)
            .set_key(Some(keys::entity(entity.tenant(), target)))
            .update_expression(match note {
                Note::Add => "ADD used_by :user",
                Note::Remove => "DELETE used_by :user",
            })
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":user", AttributeValue::Ss(vec![user]))
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

impl DynamoStore {
    /// Stores a revision that an entity holds for itself too. That the entity is at its version is the condition of the
    /// whole transaction.
    fn put_revision<T: Entity>(&self, entity: &T, revision: &Revision) -> Result<TransactWriteItem> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(keys::revision(entity.tenant(), entity.id(), revision.number)))
            .item(keys::DOC, encode(revision)?)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_revision<T: Entity>(&self, entity: &T, number: u64) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .set_key(Some(keys::revision(entity.tenant(), entity.id(), number)))
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

/// Why an entity was not made. Its name comes second, and what it refers to behind that.
fn uncreated<T: Entity>(entity: &T, unmet: &[Unmet]) -> Error {
    if unmet.iter().any(|unmet| unmet.action < 2) {
        return taken(entity);
    }
    let references: BTreeSet<_> = entity.references().into_iter().collect();
    missing(entity, references.into_iter(), 2, unmet)
}

fn self_key<T: Entity>(entity: &T) -> Item {
    keys::entity(entity.tenant(), Reference { kind: T::KIND, id: entity.id() })
}

fn references<T: Entity>(entity: &T) -> Result<BTreeSet<Reference>> {
    let references: BTreeSet<_> = entity.references().into_iter().collect();
    if references.len() > MAX_REFERENCES {
        return Err(too_many_references(entity, references.len()));
    }
    Ok(references)
}

fn tags<T: Entity>(entity: &T) -> AttributeValue {
    AttributeValue::L(entity.tags().iter().cloned().map(AttributeValue::S).collect())
}

fn label<T: Entity>(entity: &T) -> AttributeValue {
    entity.label().map_or(AttributeValue::Null(true), |label| AttributeValue::S(label.to_owned()))
}

fn version(item: &Item) -> u64 {
    item.get(keys::VERSION).and_then(|version| version.as_n().ok()?.parse().ok()).unwrap_or_default()
}

fn users(item: &Item) -> Vec<Reference> {
    let users = item.get(keys::USED_BY).and_then(|users| users.as_ss().ok());
    users.into_iter().flatten().filter_map(|user| keys::parse_reference(user)).collect()
}
