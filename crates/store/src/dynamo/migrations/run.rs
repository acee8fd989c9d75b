//! Applying migrations.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use tidegate_core::Result;

use super::{
    AppliedMigration, Direction, DynamoStore, Item, Migration, MigrationProgress, Migrations, PlannedMigration, Reads,
    Step, TableVersion, Write, ledger::Lock,
};
use crate::{
    backoff::{ATTEMPTS, pause},
    dynamo::{failed, keys, transaction::Cancelled},
    failure::{self, incomplete},
};

impl Migrations {
    /// Applies every migration that the table lacks, in order, and says what was done. One that was broken off goes
    /// on where it was.
    ///
    /// `Unavailable` when the table has no version, or another process works on it; `InvalidRequest` when newer code
    /// migrated it or began to.
    pub async fn upgrade(&self) -> Result<Vec<AppliedMigration>> {
        let lock = self.lock().await?;
        let done = async { self.apply(&lock, self.upgrades(self.known().await?.0)).await }.await;
        self.release(&lock, done).await
    }

    /// Takes back every migration after revision `target`, newest first, and says what was done. One that was broken
    /// off is taken back too.
    ///
    /// `InvalidRequest` when the table is before `target`; otherwise as [`upgrade`](Self::upgrade).
    pub async fn downgrade(&self, target: u32) -> Result<Vec<AppliedMigration>> {
        let lock = self.lock().await?;
        let done = async {
            let (version, underway) = self.known().await?;
            self.apply(&lock, self.downgrades(version, underway.as_ref(), target)?).await
        };
        let done = done.await;
        self.release(&lock, done).await
    }

    /// What [`upgrade`](Self::upgrade) would do to the table as it is. Nothing is written.
    pub async fn plan_upgrade(&self) -> Result<Vec<PlannedMigration>> {
        self.count(self.upgrades(self.known().await?.0)).await
    }

    /// What [`downgrade`](Self::downgrade) would do to the table as it is. Nothing is written.
    pub async fn plan_downgrade(&self, target: u32) -> Result<Vec<PlannedMigration>> {
        let (version, underway) = self.known().await?;
        self.count(self.downgrades(version, underway.as_ref(), target)?).await
    }

    /// Gives the lock back, whatever the outcome; the outcome's own error is the one that matters.
    pub(super) async fn release<T>(&self, lock: &Lock, outcome: Result<T>) -> Result<T> {
        let released = self.unlock(lock).await;
        let value = outcome?;
        released.map(|()| value)
    }

    async fn count(&self, steps: Vec<(&'static Migration, Direction)>) -> Result<Vec<PlannedMigration>> {
        let mut planned = Vec::with_capacity(steps.len());
        for (migration, direction) in steps {
            let step = migration.step(direction);
            let (mut read, mut written, mut start) = (0, 0, None);
            loop {
                let page = self.read(step.reads, start).await?;
                for item in &page.items {
                    read += 1;
                    written += u64::from(!self.store.differing(step.wanted(item)?, item).await?.is_empty());
                }
                match page.next {
                    Some(next) => start = Some(next),
                    None => break,
                }
            }
            let Migration { revision, name, .. } = *migration;
            planned.push(PlannedMigration { revision, name, direction, read, written });
        }
        Ok(planned)
    }

    pub(super) async fn apply(
        &self,
        lock: &Lock,
        steps: Vec<(&'static Migration, Direction)>,
    ) -> Result<Vec<AppliedMigration>> {
        let mut applied = Vec::with_capacity(steps.len());
        for (migration, direction) in steps {
            applied.push(self.apply_one(lock, migration, direction).await?);
        }
        Ok(applied)
    }

    async fn apply_one(
        &self,
        lock: &Lock,
        migration: &'static Migration,
        direction: Direction,
    ) -> Result<AppliedMigration> {
        let step = migration.step(direction);
        let broken_off = self.store.progress().await?;
        let mut progress = match broken_off.filter(|it| (it.revision, it.direction) == (migration.revision, direction))
        {
            Some(progress) => progress,
            None => self.begin(lock, migration, direction).await?,
        };
        loop {
            let start = progress.after.clone().map(|(partition, sort)| keys::key(partition, sort));
            let page = self.read(step.reads, start).await?;
            for item in page.items {
                progress.read += 1;
                progress.written += u64::from(self.bring_up(lock, step, item).await?);
            }
            let Some(next) = page.next else { break };
            progress.after = Some(keys::texts(&next)?);
            self.write(lock, vec![self.store.set_progress(&progress)?]).await?;
        }
        self.finish(lock, migration, progress).await
    }

    /// From here on code that does not know the migration, or relies on it, does not start on the table.
    pub(super) async fn begin(
        &self,
        lock: &Lock,
        migration: &'static Migration,
        direction: Direction,
    ) -> Result<MigrationProgress> {
        let Migration { revision, name, .. } = *migration;
        let progress = MigrationProgress {
            revision,
            name: name.to_owned(),
            direction,
            read: 0,
            written: 0,
            started_at: self.clock.now(),
            after: None,
        };
        let version = TableVersion { revision: revision - 1, needs_code: self.layout.needs_code(revision) };
        self.write(lock, vec![self.store.set_version(version)?, self.store.set_progress(&progress)?]).await?;
        Ok(progress)
    }

    async fn finish(
        &self,
        lock: &Lock,
        migration: &'static Migration,
        progress: MigrationProgress,
    ) -> Result<AppliedMigration> {
        let revision = match progress.direction {
            Direction::Up => migration.revision,
            Direction::Down => migration.revision - 1,
        };
        let version = TableVersion { revision, needs_code: self.layout.needs_code(revision) };
        let (finished_at, operator) = (self.clock.now(), self.operator.clone());
        let applied =
            AppliedMigration { progress: MigrationProgress { after: None, ..progress }, finished_at, operator };
        let actions =
            vec![self.store.set_version(version)?, self.store.unset_progress()?, self.store.add_history(&applied)?];
        self.write(lock, actions).await?;
        Ok(applied)
    }

    /// Brings what belongs to one item to what the step wants, and says whether anything was written.
    pub(super) async fn bring_up(&self, lock: &Lock, step: &Step, item: Item) -> Result<bool> {
        let key = keys::of(&item);
        let mut item = item;
        for attempt in 0..ATTEMPTS {
            let differing = self.store.differing(step.wanted(&item)?, &item).await?;
            if differing.is_empty() {
                return Ok(false);
            }
            let mut actions = vec![self.prolong(lock)?];
            if differing.iter().all(|(write, _)| write.key() != key) {
                actions.push(self.store.expect(&item)?);
            }
            for (write, stored) in differing {
                actions.push(self.store.replace_item(write, stored)?);
            }
            match self.store.transact(actions).await {
                Ok(()) => return Ok(true),
                Err(Cancelled::Conditions(unmet)) if unmet.iter().any(|it| it.action == 0) => return Err(self.lost()),
                Err(Cancelled::Conditions(_)) => {}
                Err(Cancelled::Other(error)) => return Err(error),
            }
            // A function changed it meanwhile.
            pause(attempt).await;
            match self.store.whole_item(key.clone()).await? {
                Some(changed) => item = changed,
                None => return Ok(false),
            }
        }
        Err(failure::unavailable("store").with_context("an item changes faster than it can be migrated"))
    }

    /// Writes what belongs to the migration itself, as long as the lock is held.
    pub(super) async fn write(&self, lock: &Lock, actions: Vec<TransactWriteItem>) -> Result<()> {
        let mut all = vec![self.prolong(lock)?];
        all.extend(actions);
        self.store.transact(all).await.map_err(|cancelled| match cancelled {
            Cancelled::Conditions(_) => self.lost(),
            Cancelled::Other(error) => error,
        })
    }

    async fn read(&self, reads: Reads, start: Option<Item>) -> Result<ItemPage> {
        let table = &*self.store.table;
        let (items, next) = match reads {
            Reads::Partition(partition) => {
                let query = self.store.client.query().table_name(table).consistent_read(true).limit(self.page);
                let query = query
                    .key_condition_expression("pk = :partition")
                    .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()));
                let page = query.set_exclusive_start_key(start).send().await;
                let page = page.map_err(|error| failed("Query", &error))?;
                (page.items, page.last_evaluated_key)
            }
            Reads::Partitions(prefix) => {
                let scan = self.store.client.scan().table_name(table).consistent_read(true).limit(self.page);
                let scan = scan
                    .filter_expression("begins_with(pk, :prefix)")
                    .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()));
                let page = scan.set_exclusive_start_key(start).send().await;
                let page = page.map_err(|error| failed("Scan", &error))?;
                (page.items, page.last_evaluated_key)
            }
        };
        Ok(ItemPage { items: items.unwrap_or_default(), next })
    }
}

struct ItemPage {
    items: Vec<Item>,
    next: Option<Item>,
}

impl Migration {
    fn step(&self, direction: Direction) -> &Step {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}

impl Step {
    fn wanted(&self, item: &Item) -> Result<Vec<Write>> {
        (self.writes)(item).map_err(|error| match keys::texts(item) {
            Ok((partition, sort)) => error.with_context(format!("the item {partition} {sort}")),
            Err(_) => error,
        })
    }
}

impl Write {
    fn key(&self) -> Item {
        match self {
            Self::Put(item) => keys::of(item),
            Self::Delete(key) => key.clone(),
        }
    }
}

impl DynamoStore {
    async fn whole_item(&self, key: Item) -> Result<Option<Item>> {
        let reading = self.client.get_item().table_name(&*self.table).set_key(Some(key)).consistent_read(true);
        reading.send().await.map(|answer| answer.item).map_err(|error| failed("GetItem", &error))
    }

    /// Those of the writes that would change something, each with what is stored in its place. They were made of `item`,
    /// so what takes its place is held against that, and not against what is there by now.
    async fn differing(&self, writes: Vec<Write>, item: &Item) -> Result<Vec<(Write, Option<Item>)>> {
        let place = keys::of(item);
        let mut differing = Vec::with_capacity(writes.len());
        for write in writes {
            let key = write.key();
            let stored = if key == place { Some(item.clone()) } else { self.whole_item(key).await? };
            let is_done = match &write {
                Write::Put(item) => stored.as_ref() == Some(item),
                Write::Delete(_) => stored.is_none(),
            };
            if !is_done {
                differing.push((write, stored));
            }
        }
        Ok(differing)
    }

    /// Checks that an item is as it was read.
    fn expect(&self, item: &Item) -> Result<TransactWriteItem> {
        let Unchanged { condition, names, values } = Unchanged::since(Some(item));
        let check = ConditionCheck::builder()
            .table_name(&*self.table)
            .set_key(Some(keys::of(item)))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(incomplete)?).build())
    }

    /// Makes a write if what is stored in its place is as it was read.
    fn replace_item(&self, write: Write, stored: Option<Item>) -> Result<TransactWriteItem> {
        let Unchanged { condition, names, values } = Unchanged::since(stored.as_ref());
        let action = TransactWriteItem::builder();
        let action = match write {
            Write::Put(item) => action.put(
                Put::builder()
                    .table_name(&*self.table)
                    .set_item(Some(item))
                    .condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .build()
                    .map_err(incomplete)?,
            ),
            Write::Delete(key) => action.delete(
                Delete::builder()
                    .table_name(&*self.table)
                    .set_key(Some(key))
                    .condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .build()
                    .map_err(incomplete)?,
            ),
        };
        Ok(action.build())
    }
}

/// The condition that an item is as it was read: every attribute that it had is the same, and it has no others.
struct Unchanged {
    condition: String,
    names: Option<HashMap<String, String>>,
    values: Option<Item>,
}

impl Unchanged {
    fn since(read: Option<&Item>) -> Self {
        let Some(read) = read else {
            return Self { condition: "attribute_not_exists(pk)".to_owned(), names: None, values: None };
        };
        let mut condition = "attribute_exists(pk)".to_owned();
        let (mut names, mut values) = (HashMap::new(), HashMap::new());
        for (place, (name, value)) in
            read.iter().filter(|(name, _)| ![keys::PK, keys::SK].contains(&name.as_str())).enumerate()
        {
            condition.push_str(&format!(" AND #a{place} = :a{place}"));
            names.insert(format!("#a{place}"), name.clone());
            values.insert(format!(":a{place}"), value.clone());
        }
        let absent = keys::ATTRIBUTES.into_iter().filter(|name| !read.contains_key(*name));
        for (place, name) in absent.enumerate() {
            condition.push_str(&format!(" AND attribute_not_exists(#b{place})"));
            names.insert(format!("#b{place}"), name.to_owned());
        }
        Self {
            condition,
            names: Some(names).filter(|names| !names.is_empty()),
            values: Some(values).filter(|values| !values.is_empty()),
        }
    }
}
