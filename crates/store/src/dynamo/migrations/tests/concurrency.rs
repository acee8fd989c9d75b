//! What others write while a migration runs.

use std::{
    collections::BTreeSet,
    sync::{Mutex, atomic::AtomicUsize, mpsc},
};

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use chrono::DateTime;
use tidegate_core::{
    id::TenantId,
    ports::{EntityKind, Reference, Tenants},
    tenant::Tenant,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    super::{Layout, Reads, Step, Write, tenant_directory},
    fixture::{Fixture, old_tenants, tenant},
    interceptors::{HoldAt, LoseAnswer},
};
use crate::dynamo::{decode, encode, keys, tests::make_tenant};

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

/// Code of before there was a migration.
static BEFORE: Layout = Layout { serves_from: 0, migrations: &[] };

/// Makes sure that code of before can start on the table, and finds these tenants.
async fn expect_served_by_code_of_before(fixture: &Fixture, tenants: &BTreeSet<String>) {
    BEFORE.check("x", fixture.store().version().await.unwrap().unwrap()).unwrap();
    for name in tenants {
        assert!(fixture.store().find(&name.parse().unwrap()).await.unwrap().is_some(), "{name}");
    }
}

/// Upgrades a table, and has code of before make tenants before the write of this number. Gives back those of them that the
/// upgrade listed; none when it makes fewer writes.
async fn listed_of_those_made_before(write: usize) -> Option<BTreeSet<String>> {
    let fixture = Fixture::old().await;
    let (reached, is_reached) = oneshot::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (reached, go_on_when) = (Mutex::new(Some(reached)), Mutex::new(may_go_on));
    let held = fixture.intercepted(HoldAt { write: AtomicUsize::new(write), reached, go_on: go_on_when });
    let upgrade = tokio::spawn(async move { held.upgrade().await });
    is_reached.await.ok()?;
    let all = old_tenants().union(&meanwhile()).cloned().collect();
    for name in meanwhile() {
        fixture.make_old_tenant(&name).await;
    }
    expect_served_by_code_of_before(&fixture, &all).await;
    go_on.send(()).unwrap();
    upgrade.await.unwrap().unwrap();

    let listed = fixture.listed().await;
    assert!(listed.is_superset(&old_tenants()) && listed.is_subset(&all), "{write}: {listed:?}");
    expect_served_by_code_of_before(&fixture, &all).await;
    // There is nothing left to do. Taking it back and applying it again finds them all.
    assert!(fixture.migrations().upgrade().await.unwrap().is_empty());
    assert_eq!(fixture.listed().await, listed, "{write}");
    fixture.migrations().downgrade(0).await.unwrap();
    fixture.migrations().upgrade().await.unwrap();
    assert_eq!(fixture.listed().await, all, "{write}");
    expect_served_by_code_of_before(&fixture, &all).await;
    Some(listed.intersection(&meanwhile()).cloned().collect())
}

fn meanwhile() -> BTreeSet<String> {
    (0..8).map(|number| format!("meanwhile-{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_of_old_code_that_an_upgrade_has_passed_are_listed_when_it_is_applied_again() {
    let mut listed = Vec::new();
    for write in 1.. {
        match listed_of_those_made_before(write).await {
            Some(of_those) => listed.push(of_those),
            None => break,
        }
    }
    // The lock and the beginning are written before anything is read; the end and the lock when all is.
    assert!(listed.len() > 6, "{listed:?}");
    assert!(listed.iter().take(2).all(|of_those| *of_those == meanwhile()), "{listed:?}");
    assert!(listed.iter().rev().take(2).all(BTreeSet::is_empty), "{listed:?}");
    // Each moment between finds as many as the one before, or fewer.
    assert!(listed.windows(2).all(|pair| pair[1].is_subset(&pair[0])), "{listed:?}");
}

#[tokio::test]
async fn an_item_that_changes_between_reading_and_writing_is_read_again() {
    let fixture = Fixture::old().await;
    let migrations = fixture.migrations();
    let lock = migrations.lock().await.unwrap();
    let read = fixture.items().await.into_iter().find(|it| !keys::is_ledger(it)).unwrap();
    let mut changed: Tenant = decode(&read).unwrap();
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
