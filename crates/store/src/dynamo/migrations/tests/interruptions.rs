//! Runs that died, and what follows them.

use std::collections::BTreeSet;

use super::{
    super::Direction,
    fixture::{Fixture, old_tenants},
};

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
