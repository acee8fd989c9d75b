//! What a store does when DynamoDB, or the way to it, fails: what is transient is tried again, what lasts is
//! `Unavailable` in good time, and nothing is ever half written.

mod faulty;
mod steps;

use std::{
    env,
    process::Command,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::Value as Json;
use tidegate_core::{
    ErrorCode, Result,
    ports::{Executions, Repository},
    source::Source,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use self::{
    faulty::{Fault, Faulty, READS, WRITES},
    steps::{Step, Things},
};
use crate::fixtures;

/// Set in a process that runs one test of this file.
const ALONE: &str = "TIDEGATE_TEST_FAULTS_ALONE";

/// How long a call may take at most, whatever happens to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets paused time pass in short steps. Tokio goes to the next timer when nothing can go on, without regard to what is on
/// its way through a socket: without this, that would be the end of the attempt that waits for it.
fn pass_time() -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async {
        loop {
            sleep(Duration::from_millis(5)).await;
        }
    }))
}

/// The table after each step on a way without faults.
async fn course(things: &Things) -> Vec<Vec<Json>> {
    let faultless = Faulty::start().await;
    let mut course = Vec::new();
    for step in Step::ALL {
        step.run(&faultless.store, things).await.unwrap();
        course.push(faultless.items());
    }
    course
}

/// Whether this process runs one of these tests alone, with the credentials that a client wants in its environment, as a
/// function has them. When it does not, another does. Alone, because the SDK counts retries by process and gives up
/// retrying when they are many.
fn is_alone(test: &str) -> bool {
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let status = Command::new(env::current_exe().unwrap())
        .args([&format!("faults::{test}"), "--exact", "--nocapture"])
        .envs([(ALONE, "1"), ("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")])
        .status()
        .unwrap();
    assert!(status.success());
    false
}

#[tokio::test(start_paused = true)]
async fn a_write_outlives_one_fault_and_is_written_once() {
    if !is_alone("a_write_outlives_one_fault_and_is_written_once") {
        return;
    }
    let _passing = pass_time();
    let things = Arc::new(Things::new());
    let course = Arc::new(course(&things).await);
    let mut tests = JoinSet::new();
    for fault in [
        Fault::Throttled,
        Fault::Failed,
        Fault::Conflicting,
        Fault::Silent,
        Fault::Slow,
        Fault::Lost,
        Fault::LostInSilence,
    ] {
        let (things, course) = (Arc::clone(&things), Arc::clone(&course));
        tests.spawn(async move {
            let faulty = Faulty::start().await;
            for (step, expected) in Step::ALL.into_iter().zip(course.iter()) {
                let befalls = fault.befalls(step);
                if befalls {
                    faulty.befall(WRITES, fault, 1);
                }
                step.run(&faulty.store, &things).await.unwrap_or_else(|error| panic!("{fault:?} {step:?}: {error:?}"));
                assert_eq!(faulty.way.calls.swap(0, Ordering::Relaxed), usize::from(befalls), "{fault:?} {step:?}");
                expect_alike(&faulty.items(), expected, fault, step);
            }
        });
    }
    tests.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_cannot_be_made_is_unavailable_in_time_and_all_or_nothing() {
    if !is_alone("a_write_that_cannot_be_made_is_unavailable_in_time_and_all_or_nothing") {
        return;
    }
    let _passing = pass_time();
    let things = Arc::new(Things::new());
    let course = Arc::new(course(&things).await);
    let mut tests = JoinSet::new();
    for fault in [Fault::Throttled, Fault::Failed, Fault::Conflicting, Fault::Silent, Fault::Lost, Fault::LostInSilence]
    {
        let (things, course) = (Arc::clone(&things), Arc::clone(&course));
        tests.spawn(async move {
            let faulty = Faulty::start().await;
            let mut before = Vec::new();
            for (step, expected) in Step::ALL.into_iter().zip(course.iter()) {
                let is_made = fault.befalls(step) && fault.is_applied() && !step.is_many();
                if fault.befalls(step) {
                    faulty.befall(WRITES, fault, usize::MAX);
                    let began = Instant::now();
                    unavailable(step.run(&faulty.store, &things).await, fault);
                    assert!(began.elapsed() < PATIENCE, "{fault:?} {step:?}: {:?}", began.elapsed());
                    faulty.clear();
                    if is_made || !fault.is_applied() {
                        expect_alike(&faulty.items(), if is_made { expected } else { &before }, fault, step);
                    }
                }
                if !is_made {
                    step.run(&faulty.store, &things).await.unwrap();
                }
                before = faulty.items();
                expect_alike(&before, expected, fault, step);
            }
        });
    }
    tests.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_outlives_some_faults_and_is_unavailable_beyond() {
    if !is_alone("a_read_outlives_some_faults_and_is_unavailable_beyond") {
        return;
    }
    let _passing = pass_time();
    let faulty = Faulty::start().await;
    let things = Things::new();
    let id = things.source.id.as_uuid();
    faulty.store.create(&things.source).await.unwrap();
    // Of three seconds that an attempt gets, eight have room for three.
    for (fault, outlived, attempts) in [(Fault::Throttled, 3, 4), (Fault::Failed, 3, 4), (Fault::Silent, 1, 3)] {
        faulty.befall(READS, fault, outlived);
        let found: Option<Arc<Source>> = faulty.store.get(things.tenant.id, id).await.unwrap();
        assert_eq!(*found.unwrap(), things.source);
        assert_eq!(faulty.way.calls.load(Ordering::Relaxed), outlived);
        faulty.befall(READS, fault, usize::MAX);
        let began = Instant::now();
        unavailable(Repository::<Source>::get(&faulty.store, things.tenant.id, id).await, fault);
        assert!(began.elapsed() < PATIENCE, "{fault:?}: {:?}", began.elapsed());
        unavailable(faulty.store.page(things.tenant.id, &Default::default(), None, 10).await, fault);
        assert_eq!(faulty.way.calls.load(Ordering::Relaxed), 2 * attempts, "{fault:?}");
    }
}

/// A caller whose answer was lost asks again, and learns what it made.
#[tokio::test]
async fn a_request_whose_answer_was_lost_can_be_repeated() {
    if !is_alone("a_request_whose_answer_was_lost_can_be_repeated") {
        return;
    }
    let faulty = Faulty::start().await;
    let Things { source, request, tenant, .. } = Things::new();
    faulty.befall(WRITES, Fault::Lost, usize::MAX);
    unavailable(faulty.store.create_once(&source, &request).await, Fault::Lost);
    faulty.clear();
    let again = fixtures::source(tenant.id, "flights");
    assert_eq!(faulty.store.create_once(&again, &request).await.unwrap(), Some(source.id.as_uuid()));
    assert_eq!(faulty.items().len(), 3, "the source, its name, and the note of the request");
}

fn unavailable<T: std::fmt::Debug>(result: Result<T>, fault: Fault) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{fault:?}: {error:?}");
    assert!(error.retry_after_seconds().is_some(), "{fault:?}: {error:?}");
}

/// Compares two tables item by item: whole tables are too long to be read.
#[track_caller]
fn expect_alike(items: &[Json], expected: &[Json], fault: Fault, step: Step) {
    for (item, expected) in items.iter().zip(expected) {
        assert_eq!(item, expected, "{fault:?} {step:?}");
    }
    assert_eq!(items.len(), expected.len(), "{fault:?} {step:?}");
}
