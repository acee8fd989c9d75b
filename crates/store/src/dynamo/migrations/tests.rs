//! Migrations, on the embedded store.

mod concurrency;
mod fixture;
pub(in crate::dynamo) mod interceptors;
mod interruptions;
mod resets;
mod versions;

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_core::ports::Tenants;

use self::fixture::{Fixture, old_tenants, tenant};
use super::*;
use crate::dynamo::{keys, tests::make_tenant};

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

#[tokio::test]
async fn a_downgrade_to_a_later_revision_is_refused() {
    let fixture = Fixture::old().await;
    let error = fixture.migrations().downgrade(1).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.message().contains("`tidegate store upgrade` goes forward"), "{error}");
    assert!(fixture.migrations().downgrade(0).await.unwrap().is_empty());
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
