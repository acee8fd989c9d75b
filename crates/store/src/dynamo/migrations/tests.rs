//! Migrations, on the embedded store.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef},
        retry::RetryConfig,
    },
    error::BoxError,
    types::{AttributeValue, TransactWriteItem, Update},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use tidegate_core::{
    id::TenantId,
    ports::{EntityKind, MAX_PAGE, Reference, Tenants},
    tenant::Tenant,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;
use crate::{
    LocalBackend,
    dynamo::{encode, keys, tests::make_tenant},
};

/// A clock that is ahead of the machine's.
struct Ahead(TimeDelta);

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.0
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// Lets so many writes through, and then nothing at all, as if the process had died.
#[derive(Debug)]
struct DieAfter(AtomicUsize);

impl Intercept for DieAfter {
    fn name(&self) -> &'static str {
        "DieAfter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let left = if is_write(context) {
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        } else {
            Ok(self.0.load(Ordering::SeqCst))
        };
        match left {
            Ok(left) if left > 0 => Ok(()),
            _ => Err("it is dead".into()),
        }
    }
}

fn is_write(context: &BeforeTransmitInterceptorContextRef<'_>) -> bool {
    let target = context.request().headers().get("x-amz-target").unwrap();
    ["PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"].iter().any(|it| target.ends_with(it))
}

/// Says when a process is about to make its write of this number, and holds it until it may go on.
#[derive(Debug)]
struct HoldAt {
    write: AtomicUsize,
    reached: Mutex<Option<oneshot::Sender<()>>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Intercept for HoldAt {
    fn name(&self) -> &'static str {
        "HoldAt"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_write(context) && self.write.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.reached.lock().unwrap().take().unwrap().send(()).unwrap();
            self.go_on.lock().unwrap().recv()?;
        }
        Ok(())
    }
}

/// Loses the answer of this number. What it answers was done.
#[derive(Debug)]
struct LoseAnswer(AtomicUsize);

impl Intercept for LoseAnswer {
    fn name(&self) -> &'static str {
        "LoseAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            *context.response_mut() = HttpResponse::new(500.try_into()?, SdkBody::empty());
        }
        Ok(())
    }
}

/// A store in a folder of its own.
struct Fixture {
    backend: LocalBackend,
    _folder: TempDir,
}

impl Fixture {
    async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { backend: LocalBackend::open(folder.path()).await.unwrap(), _folder: folder }
    }

    /// A store with three tenants that were made before there was a directory.
    async fn old() -> Self {
        let fixture = Self::empty().await;
        for name in ["acme", "globex", "initech"] {
            fixture.make_old_tenant(name).await;
        }
        assert_eq!(fixture.migrations().initialise().await.unwrap().revision, 0);
        fixture
    }

    fn store(&self) -> &DynamoStore {
        &self.backend.store
    }

    async fn make_old_tenant(&self, name: &str) {
        let tenant = tenant(name);
        let put = self.store().client.put_item().table_name(&*self.store().table);
        let put = put.set_item(Some(keys::tenant(&tenant.name))).item(keys::DOC, encode(&tenant).unwrap());
        put.send().await.unwrap();
    }

    /// Migrations that note their progress after every two items.
    fn migrations(&self) -> Migrations {
        self.migrations_at(TimeDelta::zero())
    }

    fn migrations_at(&self, ahead: TimeDelta) -> Migrations {
        let migrations = Migrations::new(self.store().clone(), Arc::new(Ahead(ahead)), "a test".to_owned());
        Migrations { page: 2, ..migrations }
    }

    /// Migrations in a process that dies after so many writes.
    fn dying(&self, writes: usize) -> Migrations {
        self.intercepted(DieAfter(AtomicUsize::new(writes)))
    }

    /// Migrations in a process whose calls go through this. It tries again what was not answered.
    fn intercepted(&self, interceptor: impl Intercept + 'static) -> Migrations {
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let config = self.store().client.config().to_builder().retry_config(retries).interceptor(interceptor);
        let store = DynamoStore { client: Client::from_conf(config.build()), ..self.store().clone() };
        Migrations { store, ..self.migrations() }
    }

    /// Migrations that begin when the lock of a dead process has run out.
    fn later(&self) -> Migrations {
        self.migrations_at(TimeDelta::minutes(2))
    }

    async fn listed(&self) -> BTreeSet<String> {
        let page = self.store().page(None, MAX_PAGE).await.unwrap();
        page.items.iter().map(|tenant| tenant.name.to_string()).collect()
    }

    async fn revision(&self) -> u32 {
        self.store().version().await.unwrap().unwrap().revision
    }

    /// Every item but the lock.
    async fn items(&self) -> Vec<Item> {
        let scan = self.store().client.scan().table_name(&*self.store().table).send().await.unwrap();
        scan.items.unwrap().into_iter().filter(|item| !ledger::is_lock(item)).collect()
    }
}

fn tenant(name: &str) -> Tenant {
    Tenant { id: TenantId::from_uuid(Uuid::now_v7()), name: name.parse().unwrap(), created_at: Utc::now() }
}

fn old_tenants() -> BTreeSet<String> {
    ["acme", "globex", "initech"].map(str::to_owned).into()
}

#[test]
fn migrations_are_numbered_and_none_shuts_out_this_code() {
    let revisions = LAYOUT.migrations.iter().map(|it| it.revision);
    assert!(revisions.eq(1..=LAYOUT.revision()));
    assert!(LAYOUT.migrations.iter().all(|it| it.needs_code <= it.revision));
    assert!(LAYOUT.serves_from <= LAYOUT.revision());
}

#[tokio::test]
async fn an_upgrade_lists_the_tenants_of_before_and_a_downgrade_forgets_the_list() {
    let fixture = Fixture::old().await;
    assert!(fixture.listed().await.is_empty());
    let applied = fixture.migrations().upgrade().await.unwrap();
    assert_eq!(applied.iter().map(|it| (it.progress.revision, it.progress.written)).collect::<Vec<_>>(), [(1, 3)]);
    assert_eq!((fixture.listed().await, fixture.revision().await), (old_tenants(), 1));
    assert!(fixture.migrations().upgrade().await.unwrap().is_empty());

    let taken_back = fixture.migrations().downgrade(0).await.unwrap();
    assert_eq!(taken_back.iter().map(|it| (it.progress.read, it.progress.written)).collect::<Vec<_>>(), [(3, 3)]);
    assert_eq!((fixture.listed().await.len(), fixture.revision().await), (0, 0));
    assert!(fixture.store().find(&"acme".parse().unwrap()).await.unwrap().is_some());

    let history = fixture.migrations().history().await.unwrap();
    assert_eq!(history, [applied, taken_back].concat());
    let status = fixture.migrations().status().await.unwrap();
    assert_eq!(status.pending, [(1, "tenant_directory")]);
    assert!(status.underway.is_none() && status.holder.is_none());
}

#[tokio::test]
async fn an_empty_table_begins_at_the_newest_revision() {
    let fixture = Fixture::empty().await;
    assert!(fixture.store().check_version().await.unwrap_err().message().contains("tidegate store init"));
    assert_eq!(fixture.migrations().initialise().await.unwrap().revision, LAYOUT.revision());
    fixture.store().check_version().await.unwrap();
    make_tenant(fixture.store(), &tenant("acme")).await.unwrap();
    // A second time changes nothing.
    assert_eq!(fixture.migrations().initialise().await.unwrap().revision, LAYOUT.revision());
    assert_eq!(fixture.listed().await.len(), 1);
}

#[tokio::test]
async fn a_dry_run_counts_and_writes_nothing() {
    let fixture = Fixture::old().await;
    make_tenant(fixture.store(), &tenant("hooli")).await.unwrap();
    let before = fixture.items().await;
    let planned = fixture.migrations().plan_upgrade().await.unwrap();
    let up = PlannedMigration { revision: 1, name: "tenant_directory", direction: Direction::Up, read: 4, written: 3 };
    assert_eq!(planned, [up]);
    assert!(fixture.migrations().plan_downgrade(0).await.unwrap().is_empty());
    assert_eq!(fixture.items().await, before);
}

/// How a run that died is dealt with.
#[derive(Clone, Copy, Debug)]
enum Then {
    Upgrade,
    Downgrade,
}

/// Lets an upgrade (or a downgrade) die after each number of writes, and then goes on either way.
async fn dies_between_any_two_writes(direction: Direction, then: Then) {
    for writes in 0.. {
        let fixture = Fixture::old().await;
        if direction == Direction::Down {
            fixture.migrations().upgrade().await.unwrap();
        }
        let dying = fixture.dying(writes);
        let outcome = match direction {
            Direction::Up => dying.upgrade().await,
            Direction::Down => dying.downgrade(0).await,
        };
        let place = format!("{direction:?} died after {writes} writes, then {then:?}");
        if outcome.is_err() && writes > 0 {
            // The lock of the dead one holds for a while.
            let error = fixture.migrations().upgrade().await.unwrap_err();
            assert!(error.message().contains("is working on the table"), "{place}: {error}");
        }
        fixture.store().check_version().await.unwrap();
        let (listed, revision) = match then {
            Then::Upgrade => {
                fixture.later().upgrade().await.unwrap();
                (old_tenants(), 1)
            }
            Then::Downgrade => {
                fixture.later().downgrade(0).await.unwrap();
                (BTreeSet::new(), 0)
            }
        };
        assert_eq!((fixture.listed().await, fixture.revision().await), (listed, revision), "{place}");
        let status = fixture.later().status().await.unwrap();
        assert!(status.underway.is_none() && status.holder.is_none(), "{place}");
        let last = fixture.later().history().await.unwrap().pop();
        let expected = if revision == 1 { Direction::Up } else { Direction::Down };
        assert!(last.is_none_or(|last| last.progress.direction == expected), "{place}");
        if outcome.is_ok() {
            assert!(writes > 6, "it died too seldom to be a test: {writes}");
            return;
        }
    }
}

#[tokio::test]
async fn an_upgrade_that_died_anywhere_goes_on() {
    dies_between_any_two_writes(Direction::Up, Then::Upgrade).await;
}

#[tokio::test]
async fn an_upgrade_that_died_anywhere_is_taken_back() {
    dies_between_any_two_writes(Direction::Up, Then::Downgrade).await;
}

#[tokio::test]
async fn a_downgrade_that_died_anywhere_goes_on() {
    dies_between_any_two_writes(Direction::Down, Then::Downgrade).await;
}

#[tokio::test]
async fn a_downgrade_that_died_anywhere_is_undone() {
    dies_between_any_two_writes(Direction::Down, Then::Upgrade).await;
}

#[tokio::test]
async fn a_run_that_goes_on_does_not_read_the_pages_before() {
    let fixture = Fixture::old().await;
    // The lock, the beginning, two tenants, the note of the first page.
    fixture.migrations().upgrade().await.unwrap();
    fixture.dying(5).downgrade(0).await.unwrap_err();
    let underway = fixture.migrations().status().await.unwrap().underway.unwrap();
    assert_eq!((underway.direction, underway.read, underway.written), (Direction::Down, 2, 2));
    let done = fixture.later().downgrade(0).await.unwrap();
    assert_eq!((done[0].progress.read, done[0].progress.started_at), (3, underway.started_at));
}

#[tokio::test]
async fn two_processes_do_not_migrate_at_once() {
    let fixture = Fixture::old().await;
    let first = fixture.migrations();
    let lock = first.lock().await.unwrap();
    let error = fixture.migrations().upgrade().await.unwrap_err();
    assert!(error.message().starts_with("a test is working on the table tidegate"), "{error}");

    // The first is silent for too long. When it wakes, it can no longer write.
    let second = fixture.later();
    let taken = second.lock().await.unwrap();
    let item = fixture.items().await.into_iter().find(|it| !keys::is_ledger(it)).unwrap();
    let step = &tenant_directory::MIGRATION.up;
    let error = first.bring_up(&lock, step, item.clone()).await.unwrap_err();
    assert!(error.message().starts_with("another process took over"), "{error}");
    first.write(&lock, vec![]).await.unwrap_err();
    first.unlock(&lock).await.unwrap_err();
    assert!(fixture.listed().await.is_empty());
    assert!(second.bring_up(&taken, step, item).await.unwrap());
    second.unlock(&taken).await.unwrap();
    fixture.migrations().upgrade().await.unwrap();
}

#[tokio::test]
async fn a_lock_whose_answer_was_lost_is_held_all_the_same() {
    let fixture = Fixture::old().await;
    // The version is read first.
    let migrations = fixture.intercepted(LoseAnswer(AtomicUsize::new(2)));
    let lock = migrations.lock().await.unwrap();
    assert!(fixture.migrations().upgrade().await.is_err(), "it is held");
    migrations.unlock(&lock).await.unwrap();
    fixture.migrations().upgrade().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_upgrades_at_once_the_work_is_done_once() {
    let fixture = Fixture::old().await;
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let migrations = fixture.migrations();
        runs.spawn(async move { migrations.upgrade().await });
    }
    let outcomes = runs.join_all().await;
    let done: usize = outcomes.iter().flatten().map(Vec::len).sum();
    assert_eq!(done, 1, "{outcomes:?}");
    assert_eq!(fixture.listed().await, old_tenants());
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_that_are_made_meanwhile_are_listed() {
    let fixture = Fixture::old().await;
    let store = fixture.store().clone();
    let writer = tokio::spawn(async move {
        for number in 0..60 {
            make_tenant(&store, &tenant(&format!("made-{number}"))).await.unwrap();
        }
    });
    fixture.migrations().upgrade().await.unwrap();
    fixture.migrations().downgrade(0).await.unwrap();
    fixture.migrations().upgrade().await.unwrap();
    writer.await.unwrap();
    let mut expected = old_tenants();
    expected.extend((0..60).map(|number| format!("made-{number}")));
    let listed = fixture.listed().await;
    assert!(listed.is_subset(&expected) && old_tenants().is_subset(&listed));
    // What was made between the two runs is not lost: it is found by the next.
    fixture.migrations().downgrade(0).await.unwrap();
    fixture.migrations().upgrade().await.unwrap();
    assert_eq!(fixture.listed().await, expected);
}

#[tokio::test]
async fn an_item_that_changes_between_reading_and_writing_is_read_again() {
    let fixture = Fixture::old().await;
    let migrations = fixture.migrations();
    let lock = migrations.lock().await.unwrap();
    let read = fixture.items().await.into_iter().find(|it| !keys::is_ledger(it)).unwrap();
    let mut changed: Tenant = super::super::decode(&read).unwrap();
    changed.created_at = DateTime::UNIX_EPOCH;
    let put = fixture.store().client.put_item().table_name(&*fixture.store().table);
    put.set_item(Some(keys::of(&read))).item(keys::DOC, encode(&changed).unwrap()).send().await.unwrap();
    assert!(migrations.bring_up(&lock, &tenant_directory::MIGRATION.up, read).await.unwrap());
    assert_eq!(*fixture.store().page(None, 1).await.unwrap().items[0], changed);
}

/// Gives an item another label.
static RELABEL: Step = Step {
    reads: Reads::Partition("T#"),
    writes: |item| {
        let mut wanted = item.clone();
        wanted.insert("label".to_owned(), AttributeValue::S("another".to_owned()));
        Ok(vec![Write::Put(wanted)])
    },
};

#[tokio::test]
async fn a_note_of_use_that_is_added_between_reading_and_writing_stays() {
    let fixture = Fixture::empty().await;
    let (store, table) = (fixture.store(), &*fixture.store().table);
    let source = Reference { kind: EntityKind::Source, id: Uuid::now_v7() };
    let key = keys::entity(TenantId::from_uuid(Uuid::now_v7()), source);
    let put = store.client.put_item().table_name(table).set_item(Some(key.clone()));
    put.item(keys::VERSION, AttributeValue::N("1".to_owned())).send().await.unwrap();
    let read = fixture.items().await.pop().unwrap();

    // A query is saved meanwhile. The version of its source stays as it is.
    let note = Update::builder().table_name(table).set_key(Some(key)).update_expression("ADD used_by :user");
    let user = AttributeValue::Ss(vec![format!("QUERY#{}", Uuid::now_v7())]);
    let note = note.expression_attribute_values(":user", user.clone()).build().unwrap();
    assert!(store.transact(vec![TransactWriteItem::builder().update(note).build()]).await.is_ok());

    let migrations = fixture.migrations();
    let lock = migrations.lock().await.unwrap();
    assert!(migrations.bring_up(&lock, &RELABEL, read).await.unwrap());
    let item = fixture.items().await.pop().unwrap();
    assert_eq!((&item["label"], item.get("used_by")), (&AttributeValue::S("another".to_owned()), Some(&user)));
}

#[tokio::test]
async fn an_item_that_is_gone_when_it_is_written_is_left_out() {
    let fixture = Fixture::old().await;
    let migrations = fixture.migrations();
    let lock = migrations.lock().await.unwrap();
    let read = fixture.items().await.into_iter().find(|it| !keys::is_ledger(it)).unwrap();
    let delete = fixture.store().client.delete_item().table_name(&*fixture.store().table);
    delete.set_key(Some(keys::of(&read))).send().await.unwrap();
    assert!(!migrations.bring_up(&lock, &tenant_directory::MIGRATION.up, read).await.unwrap());
    assert!(fixture.listed().await.is_empty());
}

/// A second migration, which older code cannot do without: it takes the directory away.
static LATER: Layout = Layout {
    serves_from: 1,
    migrations: &[
        tenant_directory::MIGRATION,
        Migration {
            revision: 2,
            name: "no_directory",
            needs_code: 2,
            up: Step { ..tenant_directory::MIGRATION.down },
            down: Step { ..tenant_directory::MIGRATION.up },
        },
    ],
};

#[tokio::test]
async fn code_does_not_start_on_a_table_that_it_cannot_serve() {
    let fixture = Fixture::old().await;
    let later = || Migrations { layout: &LATER, ..fixture.migrations() };
    let table = || async { fixture.store().version().await.unwrap().unwrap() };
    let error = LATER.check("x", table().await).unwrap_err();
    assert!(error.message().ends_with("this code needs 1: run `tidegate store upgrade`"), "{error}");
    LAYOUT.check("x", table().await).unwrap();

    // It is shut out before the first item is written, and not only when all are.
    let dying = Migrations { layout: &LATER, ..fixture.dying(30) };
    let lock = dying.lock().await.unwrap();
    dying.apply(&lock, vec![(&LATER.migrations[0], Direction::Up)]).await.unwrap();
    dying.begin(&lock, &LATER.migrations[1], Direction::Up).await.unwrap();
    dying.unlock(&lock).await.unwrap();
    assert_eq!(table().await, TableVersion { revision: 1, needs_code: 2 });
    fixture.store().check_version().await.unwrap_err();

    later().upgrade().await.unwrap();
    let error = fixture.store().check_version().await.unwrap_err();
    assert!(error.message().contains("is at revision 2, which is too new: this code knows 1"), "{error}");
    assert!(error.message().contains("tidegate store downgrade 1"), "{error}");
    LATER.check("x", table().await).unwrap();
    let error = fixture.migrations().upgrade().await.unwrap_err();
    assert!(error.message().contains("use the tidegate that upgraded it"), "{error}");
    assert!(fixture.store().lock_holder().await.unwrap().is_none());

    later().downgrade(1).await.unwrap();
    fixture.store().check_version().await.unwrap();
    assert_eq!(fixture.listed().await, old_tenants());
}

/// A second migration that older code does not mind.
static ADDED: Layout = Layout {
    serves_from: 0,
    migrations: &[
        tenant_directory::MIGRATION,
        Migration {
            revision: 2,
            name: "added",
            needs_code: 1,
            up: Step { ..tenant_directory::MIGRATION.up },
            down: Step { ..tenant_directory::MIGRATION.down },
        },
    ],
};

#[tokio::test]
async fn a_newer_migration_that_was_broken_off_is_left_to_the_newer_code() {
    for layout in [&LATER, &ADDED] {
        let fixture = Fixture::old().await;
        fixture.migrations().upgrade().await.unwrap();
        let newer = Migrations { layout, ..fixture.migrations() };
        let lock = newer.lock().await.unwrap();
        newer.begin(&lock, &layout.migrations[1], Direction::Up).await.unwrap();
        newer.unlock(&lock).await.unwrap();

        let before = fixture.items().await;
        let older = fixture.migrations();
        let refusals = [
            older.upgrade().await.map(drop),
            older.downgrade(0).await.map(drop),
            older.downgrade(1).await.map(drop),
            older.plan_upgrade().await.map(drop),
            older.plan_downgrade(0).await.map(drop),
        ];
        for refusal in refusals {
            let error = refusal.unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().contains("use the tidegate that began it"), "{error}");
        }
        assert_eq!(fixture.items().await, before);
        let status = older.status().await.unwrap();
        assert!(status.too_new.unwrap().contains("use the tidegate that began it") && status.holder.is_none());
        newer.downgrade(1).await.unwrap();
        assert!(older.upgrade().await.unwrap().is_empty());
        assert_eq!(older.status().await.unwrap().too_new, None);
    }
}

#[tokio::test]
async fn a_downgrade_to_a_later_revision_is_refused() {
    let fixture = Fixture::old().await;
    let error = fixture.migrations().downgrade(1).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.message().contains("`tidegate store upgrade` goes forward"), "{error}");
    assert!(fixture.migrations().downgrade(0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reset_leaves_an_empty_table_even_when_it_died_before() {
    for writes in 0.. {
        let fixture = Fixture::old().await;
        fixture.migrations().upgrade().await.unwrap();
        let outcome = fixture.dying(writes).reset().await;
        if outcome.is_err() {
            fixture.later().reset().await.unwrap();
        }
        let left = fixture.store().client.scan().table_name(&*fixture.store().table).send().await.unwrap();
        assert_eq!(left.items(), [], "{writes}");
        assert_eq!(fixture.migrations().initialise().await.unwrap().revision, LAYOUT.revision());
        if outcome.is_ok() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_another_process_takes_over_from_stops_without_writing() {
    let fixture = Fixture::old().await;
    let (reached, is_reached) = oneshot::channel();
    let (go_on, may_go_on) = mpsc::channel();
    // The lock, the version, the first items.
    let write = AtomicUsize::new(3);
    let slow = fixture.intercepted(HoldAt { write, reached: Mutex::new(Some(reached)), go_on: Mutex::new(may_go_on) });
    let reset = tokio::spawn(async move { slow.reset().await });
    is_reached.await.unwrap();
    // It is silent for too long. Another begins to use the table.
    let later = fixture.later();
    let lock = later.lock().await.unwrap();
    let before = fixture.items().await;
    assert_eq!(before.len(), 3);
    go_on.send(()).unwrap();
    let error = reset.await.unwrap().unwrap_err();
    assert!(error.message().starts_with("another process took over"), "{error}");
    assert_eq!(fixture.items().await, before);
    later.unlock(&lock).await.unwrap();
}

#[tokio::test]
async fn a_reset_deletes_more_than_one_transaction_holds() {
    let fixture = Fixture::empty().await;
    fixture.migrations().initialise().await.unwrap();
    for number in 0..30 {
        make_tenant(fixture.store(), &tenant(&format!("tenant-{number}"))).await.unwrap();
    }
    assert_eq!(fixture.migrations().reset().await.unwrap(), 120);
    assert_eq!(fixture.items().await, []);
}

#[tokio::test]
async fn a_table_that_is_absent_is_named() {
    let fixture = Fixture::empty().await;
    let store = DynamoStore { table: "elsewhere".into(), ..fixture.store().clone() };
    let error = store.check_version().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.message().starts_with("there is no table elsewhere: deploy the environment"), "{error}");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_stops_the_migration_where_it_is() {
    let fixture = Fixture::old().await;
    let put = fixture.store().client.put_item().table_name(&*fixture.store().table);
    let broken = put.set_item(Some(keys::tenant(&"broken".parse().unwrap())));
    broken.item(keys::DOC, AttributeValue::S("{".to_owned())).send().await.unwrap();
    let error = fixture.migrations().upgrade().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    let status = fixture.migrations().status().await.unwrap();
    assert!(status.underway.is_some() && status.holder.is_none());
    assert_eq!(fixture.revision().await, 0);
}
