//! Code and tables of different revisions.

use tidegate_core::ErrorCode;

use super::{
    super::{Direction, LAYOUT, Layout, Migration, Migrations, Step, TableVersion, tenant_directory},
    fixture::{Fixture, old_tenants},
};

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
