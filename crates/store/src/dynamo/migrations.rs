//! Migrations of the stored items.
//!
//! A table has a revision: the number of the last migration that was applied to it. A migration reads items of one
//! kind, and says for each what should be stored beside or in place of it. Functions go on serving meanwhile, so
//! what it writes has to be right at every moment for the code of before and of after: a migration adds what later
//! code reads, and only a later one takes away what no code reads any more.
//!
//! Whoever applies one holds a lock, and every write is made in a transaction that checks and prolongs it. So a
//! process that was taken for dead cannot write after another took its place. Where a migration stands is written
//! down after every page, so that another run goes on from there. Doing a page again changes nothing.

mod ledger;
mod reset;
mod run;
mod tenant_directory;
#[cfg(feature = "local")]
#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use tidegate_core::{Error, ErrorCode, Result, ports::Clock};

pub use self::ledger::{AppliedMigration, Direction, LockHolder, MigrationProgress, TableVersion};
use super::{DynamoStore, Item};

/// The items as this code writes them, and how a table gets there.
struct Layout {
    /// The oldest revision of a table that this code serves.
    serves_from: u32,
    /// The migrations, numbered from 1.
    migrations: &'static [Migration],
}

static LAYOUT: Layout = Layout { serves_from: 0, migrations: &[tenant_directory::MIGRATION] };

/// One step from a revision to the next, and back.
struct Migration {
    /// The revision that it leads to.
    revision: u32,
    /// Its name, which never changes.
    name: &'static str,
    /// The revision that code has to know at least to serve a table that this was applied to. It is the one before
    /// when the migration only adds something, because older code then does not mind.
    needs_code: u32,
    up: Step,
    down: Step,
}

/// What is done to every item of one kind.
struct Step {
    reads: Reads,
    /// What should be stored, given one of the items that are read.
    writes: fn(&Item) -> Result<Vec<Write>>,
}

/// The items that a step reads.
#[derive(Clone, Copy)]
enum Reads {
    /// Those of one partition.
    Partition(&'static str),
    /// Those of all partitions that begin so. This reads the whole table.
    Partitions(&'static str),
}

/// What should be stored under a key.
enum Write {
    /// This item.
    Put(Item),
    /// Nothing.
    Delete(Item),
}

impl Layout {
    /// The revision that this code writes.
    fn revision(&self) -> u32 {
        self.migrations.last().map_or(0, |newest| newest.revision)
    }

    /// `Unavailable` when this code cannot serve a table of this version; the message says what to do.
    fn check(&self, table: &str, version: TableVersion) -> Result<()> {
        let TableVersion { revision, needs_code } = version;
        let refusal = |message| Err(Error::new(ErrorCode::Unavailable, message));
        if needs_code > self.revision() {
            return refusal(format!(
                "the table {table} is at revision {revision}, which is too new: this code knows {}; deploy the newer \
                 code again, or run `tidegate store downgrade {}` with the tidegate that upgraded the table",
                self.revision(),
                self.revision(),
            ));
        }
        if revision < self.serves_from {
            return refusal(format!(
                "the table {table} is at revision {revision}, and this code needs {}: run `tidegate store upgrade`",
                self.serves_from,
            ));
        }
        Ok(())
    }

    /// The newest code that a table needs to which the first `revision` migrations were applied.
    fn needs_code(&self, revision: u32) -> u32 {
        self.migrations.iter().filter(|it| it.revision <= revision).map(|it| it.needs_code).max().unwrap_or(0)
    }
}

/// The migrations of one table, as an operator applies them.
pub struct Migrations {
    store: DynamoStore,
    layout: &'static Layout,
    clock: Arc<dyn Clock>,
    /// Who applies them, for people to read.
    operator: String,
    /// The most items that are looked at between two notes of the progress.
    page: i32,
}

/// A migration that would be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMigration {
    /// The revision that it leads to, or away from.
    pub revision: u32,
    /// Its name.
    pub name: &'static str,
    /// Whether it is applied or taken back.
    pub direction: Direction,
    /// How many items it reads.
    pub read: u64,
    /// For how many of these it writes something.
    pub written: u64,
}

/// What is known of a table.
#[derive(Clone, Debug)]
pub struct TableStatus {
    /// Its version; none when it was never initialised.
    pub version: Option<TableVersion>,
    /// The revision that this code writes.
    pub newest: u32,
    /// The migrations that `upgrade` would apply, in order.
    pub pending: Vec<(u32, &'static str)>,
    /// Why this code cannot migrate the table: newer code did, or began to.
    pub too_new: Option<String>,
    /// The migration that is under way, or was broken off.
    pub underway: Option<MigrationProgress>,
    /// Who holds the lock.
    pub holder: Option<LockHolder>,
}

impl Migrations {
    /// The migrations of the table of this store. `operator` is who applies them, such as `alice, process 12`.
    pub fn new(store: DynamoStore, clock: Arc<dyn Clock>, operator: String) -> Self {
        Self { store, layout: &LAYOUT, clock, operator, page: 1000 }
    }

    /// Writes down the version of a table that has none: the newest when it is empty, and 0 when it holds items.
    /// Repeating it does no harm.
    pub async fn initialise(&self) -> Result<TableVersion> {
        if let Some(version) = self.store.version().await? {
            return Ok(version);
        }
        let revision = if self.store.is_empty().await? { self.layout.revision() } else { 0 };
        let version = TableVersion { revision, needs_code: self.layout.needs_code(revision) };
        self.store.put_first_version(version).await
    }

    /// What is known of the table.
    pub async fn status(&self) -> Result<TableStatus> {
        let (version, underway) = (self.store.version().await?, self.store.progress().await?);
        let current = version.map_or(0, |version| version.revision);
        let pending = self.layout.migrations.iter().filter(|it| it.revision > current);
        Ok(TableStatus {
            version,
            newest: self.layout.revision(),
            pending: pending.map(|it| (it.revision, it.name)).collect(),
            too_new: version.and_then(|version| self.too_new(version, underway.as_ref())),
            underway,
            holder: self.store.lock_holder().await?,
        })
    }

    /// The migrations that were applied and taken back, oldest first.
    pub async fn history(&self) -> Result<Vec<AppliedMigration>> {
        self.store.migration_history().await
    }

    /// The version of a table that has one, and what is under way. `InvalidRequest` when this code does not know
    /// either.
    async fn known(&self) -> Result<(TableVersion, Option<MigrationProgress>)> {
        let version = self.store.version().await?.ok_or_else(|| self.store.no_version())?;
        let underway = self.store.progress().await?;
        match self.too_new(version, underway.as_ref()) {
            Some(message) => Err(Error::new(ErrorCode::InvalidRequest, message)),
            None => Ok((version, underway)),
        }
    }

    /// Why this code must not migrate the table, if newer code did, or began to.
    fn too_new(&self, version: TableVersion, underway: Option<&MigrationProgress>) -> Option<String> {
        let (table, known) = (&self.store.table, self.layout.revision());
        match underway {
            Some(MigrationProgress { revision, name, .. }) if *revision > known => Some(format!(
                "the migration {revision} {name} of the table {table} is not done, and this tidegate knows {known}: use \
                 the tidegate that began it"
            )),
            _ if version.revision.max(version.needs_code) > known => Some(format!(
                "the table {table} is at revision {}, and this tidegate knows {known}: use the tidegate that upgraded it",
                version.revision
            )),
            _ => None,
        }
    }

    /// What `upgrade` does, in order: all that the table lacks.
    fn upgrades(&self, version: TableVersion) -> Vec<(&'static Migration, Direction)> {
        let lacking = self.layout.migrations.iter().filter(|it| it.revision > version.revision);
        lacking.map(|it| (it, Direction::Up)).collect()
    }

    /// What `downgrade` does, in order. One that was broken off is taken back too, whichever way it went.
    fn downgrades(
        &self,
        version: TableVersion,
        underway: Option<&MigrationProgress>,
        target: u32,
    ) -> Result<Vec<(&'static Migration, Direction)>> {
        let top = version.revision.max(underway.map_or(0, |progress| progress.revision));
        if target > top {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                format!(
                    "the table {} is at revision {}, which is before {target}: `tidegate store upgrade` goes forward",
                    self.store.table, version.revision,
                ),
            ));
        }
        let surplus = self.layout.migrations.iter().rev().filter(|it| (target + 1..=top).contains(&it.revision));
        Ok(surplus.map(|it| (it, Direction::Down)).collect())
    }
}
