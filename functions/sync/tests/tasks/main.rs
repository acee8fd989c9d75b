//! The tasks on a real store, over sources that are made up.

#![expect(clippy::unwrap_used, reason = "clippy does not see that the functions beside the tests are for tests")]

mod fixtures;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tidegate_core::{
    ErrorCode,
    api_key::ApiKey,
    health::HealthStatus,
    ports::{self, CatalogSnapshots, Clock, MAX_PAGE, Progress, Repository, SourceHealths, Vault},
    source::{SecretRef, Source},
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::fixtures::{Deployment, SlowVault, Unlisted, days_ago, key, table};

/// More than any step of a task may take.
const LONG: Duration = Duration::from_secs(3_600);

async fn health(deployment: &Deployment, source: &Source) -> Option<HealthStatus> {
    let id = source.id;
    let found = deployment.store().of_sources(source.tenant, id..=id).await.unwrap();
    found.get(&id).map(|health| health.status)
}

#[tokio::test]
async fn a_source_that_goes_down_says_so_until_it_is_up_again() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    let source = deployment.source(tenant, "shop").await;
    let counted = |ok, down| json!({"ok": ok, "down": down, "failed": 0, "finished": true});
    let check = async |expected: Json| {
        assert_eq!(deployment.run("source_health", LONG).await.unwrap(), expected);
        let found = deployment.store().of_sources(tenant, source.id..=source.id).await.unwrap();
        found[&source.id].clone()
    };
    let first = check(counted(1, 0)).await;
    assert_eq!((first.status, first.since, first.code), (HealthStatus::Ok, first.checked_at, None));
    deployment.looks.fail("shop", ErrorCode::SourceUnavailable);
    let down = check(counted(0, 1)).await;
    assert_eq!((down.status, down.since), (HealthStatus::Down, down.checked_at));
    let still = check(counted(0, 1)).await;
    assert_eq!((still.since, still.code), (down.since, Some(ErrorCode::SourceUnavailable)));
    deployment.looks.mend("shop");
    let up = check(counted(1, 0)).await;
    assert!(up.status == HealthStatus::Ok && up.since > down.since && up.message.is_none());
}

#[tokio::test]
async fn a_source_that_moved_has_its_status_since_it_is_there() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    let source = deployment.source(tenant, "shop").await;
    let found = async || {
        deployment.run("source_health", LONG).await.unwrap();
        deployment.store().of_sources(tenant, source.id..=source.id).await.unwrap().remove(&source.id).unwrap()
    };
    let before = found().await;
    let since = deployment.clock.now();
    let moved = Source { connection_since: Some(since), version: 2, ..source.clone() };
    Repository::<Source>::replace(deployment.store(), &moved).await.unwrap();
    let after = found().await;
    assert!(before.since < since && after.since >= since, "{before:?} {after:?}");
    assert_eq!(after.since, after.checked_at);
}

#[tokio::test]
async fn a_fault_of_our_own_is_an_error_of_the_run_and_not_of_the_source() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    let sources = [deployment.source(tenant, "one").await, deployment.source(tenant, "two").await];
    deployment.looks.fail("one", ErrorCode::Unavailable);
    for task in ["source_health", "catalog_snapshots"] {
        let error = deployment.run(task, LONG).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::Unavailable, "1 failed; the log says which and why"));
    }
    assert_eq!(health(&deployment, &sources[0]).await, None);
    assert_eq!(health(&deployment, &sources[1]).await, Some(HealthStatus::Ok));
    assert!(deployment.store().last(tenant, sources[1].id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_tenant_whose_sources_cannot_be_listed_does_not_hold_up_the_others() {
    let mut deployment = Deployment::open().await;
    let mut sources = Vec::new();
    for name in ["first", "second", "third"] {
        let tenant = deployment.tenant(name).await;
        sources.push(deployment.source(tenant, name).await);
    }
    let listed = Arc::clone(&deployment.tasks.sources);
    deployment.tasks.sources =
        Arc::new(Unlisted { inner: Arc::clone(&listed), tenant: sources[1].tenant, hangs: false });
    for task in ["source_health", "catalog_snapshots", "source_health"] {
        let error = deployment.run(task, LONG).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::Unavailable, "1 failed; the log says which and why"));
        // The round is at its end all the same, and the next one begins at the beginning.
        assert_eq!(deployment.store().place(task).await.unwrap(), None);
    }
    assert_eq!(deployment.looks.tested(), ["first", "third", "first", "third"]);
    assert!(deployment.store().last(sources[2].tenant, sources[2].id).await.unwrap().is_some());

    // One that cannot be listed any more when some of its sources were done.
    for number in 0..20 {
        deployment.source(sources[1].tenant, &format!("more-{number}")).await;
    }
    let broken = std::mem::replace(&mut deployment.tasks.sources, listed);
    deployment.looks.contain("public", vec![table("public", "orders")]);
    deployment.looks.take(Duration::from_secs(200), &deployment.clock);
    let counts = deployment.run("catalog_snapshots", Duration::from_secs(300)).await.unwrap();
    assert_eq!(counts["finished"], false);
    assert!(deployment.store().place("catalog_snapshots").await.unwrap().unwrap().source.is_some());
    deployment.tasks.sources = broken;
    deployment.run("catalog_snapshots", LONG).await.unwrap_err();
    assert_eq!(deployment.looks.inspected().last().unwrap(), "third");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_the_store_never_answers_about_does_not_hold_up_the_others() {
    let mut deployment = Deployment::open().await;
    let mut tenants = Vec::new();
    for name in ["first", "second", "third"] {
        let tenant = deployment.tenant(name).await;
        deployment.source_with_secret(tenant, name, days_ago(400)).await;
        tenants.push(tenant);
    }
    let inner = Arc::clone(&deployment.tasks.sources);
    deployment.tasks.sources = Arc::new(Unlisted { inner, tenant: tenants[1], hangs: true });
    for task in ["source_health", "catalog_snapshots", "purge", "key_rotation"] {
        let ended = timeout(LONG, deployment.run(task, LONG)).await.unwrap();
        assert_eq!(ended.unwrap_err().message(), "1 failed; the log says which and why", "{task}");
        assert_eq!(deployment.store().place(task).await.unwrap(), None, "{task}");
    }
    assert_eq!(deployment.looks.tested(), ["first", "third"]);
}

#[tokio::test]
async fn every_source_of_every_tenant_is_checked_once() {
    let deployment = Deployment::open().await;
    for (name, sources) in [("acme", 20), ("none", 0), ("beta", 1), ("gamma", 33)] {
        let tenant = deployment.tenant(name).await;
        for number in 0..sources {
            deployment.source(tenant, &format!("{name}-{number}")).await;
        }
    }
    let counts = deployment.run("source_health", LONG).await.unwrap();
    assert_eq!((&counts["ok"], &counts["finished"]), (&json!(54), &json!(true)));
    let mut tested = deployment.looks.tested();
    tested.sort();
    tested.dedup();
    assert_eq!((tested.len(), deployment.looks.tested().len()), (54, 54));
}

#[tokio::test]
async fn tenants_that_are_being_removed_are_passed_over_however_many_they_are() {
    let deployment = Deployment::open().await;
    let tenants: &dyn ports::Tenants = deployment.store();
    let mut closed = Vec::new();
    // More than are read at once.
    for number in 0..=MAX_PAGE {
        closed.push(deployment.tenant(&format!("closed-{number}")).await);
    }
    let shut = deployment.source(closed[0], "shop").await;
    let open = deployment.source(deployment.tenant("acme").await, "shop").await;
    for tenant in tenants.page(None, MAX_PAGE).await.unwrap().items {
        tenants.close(&tenant, tenant.created_at).await.unwrap();
    }
    let done = deployment.run("source_health", LONG).await.unwrap();
    assert_eq!(done, json!({"ok": 1, "down": 0, "failed": 0, "finished": true}));
    assert_eq!((health(&deployment, &shut).await, health(&deployment, &open).await), (None, Some(HealthStatus::Ok)));
}

#[tokio::test]
async fn a_run_that_its_time_ends_is_gone_on_with_by_the_next() {
    let deployment = Deployment::open().await;
    let (first, second) = (deployment.tenant("first").await, deployment.tenant("second").await);
    for number in 0..12 {
        deployment.source(if number < 5 { first } else { second }, &format!("source-{number}")).await;
    }
    // Each table takes a minute of the clock that the tasks look at, so a batch of four takes four.
    deployment.looks.contain("public", vec![table("public", "orders")]);
    deployment.looks.take(Duration::from_secs(60), &deployment.clock);
    let mut runs = Vec::new();
    loop {
        let counts = deployment.run("catalog_snapshots", Duration::from_secs(300)).await.unwrap();
        runs.push(counts["changed"].as_u64().unwrap());
        if counts["finished"] == true {
            break;
        }
        assert!(deployment.store().place("catalog_snapshots").await.unwrap().is_some());
    }
    assert_eq!(runs, [4, 4, 4]);
    assert_eq!(deployment.store().place("catalog_snapshots").await.unwrap(), None);
    let again = deployment.run("catalog_snapshots", LONG).await.unwrap();
    assert_eq!((&again["changed"], &again["unchanged"]), (&json!(0), &json!(12)));
}

#[tokio::test]
async fn a_run_that_dies_is_gone_on_with_after_what_it_had_done() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    for number in 0..10 {
        deployment.source(tenant, &format!("source-{number}")).await;
    }
    // It hangs in the second batch, and is dropped there as a process is that is killed.
    deployment.looks.hang("source-5");
    let run = timeout(Duration::from_secs(2), deployment.run("catalog_snapshots", LONG));
    assert!(run.await.is_err());
    assert!(deployment.looks.inspected().len() <= 8);
    deployment.looks.mend("source-5");
    let before = deployment.looks.inspected().len();
    let counts = deployment.run("catalog_snapshots", LONG).await.unwrap();
    assert_eq!((&counts["changed"], &counts["finished"]), (&json!(3), &json!(true)));
    assert_eq!(deployment.looks.inspected().len() - before, 6);
}

#[tokio::test]
async fn a_run_without_the_time_for_one_step_says_what_to_raise() {
    let deployment = Deployment::open().await;
    for (task, seconds) in [("source_health", 20), ("catalog_snapshots", 100), ("purge", 10), ("key_rotation", 10)] {
        let error = deployment.run(task, Duration::from_secs(seconds)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{task}");
        assert!(error.message().contains("timeout_s"), "{error}");
    }
}

#[tokio::test]
async fn a_snapshot_is_written_when_something_changed_and_holds_no_estimates() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    let source = deployment.source(tenant, "shop").await;
    let mut orders = table("public", "orders");
    for (rows, counts) in [(10, ("changed", 1)), (20, ("changed", 0))] {
        orders.table.row_estimate = Some(rows);
        deployment.looks.contain("public", vec![orders.clone()]);
        let taken = deployment.run("catalog_snapshots", LONG).await.unwrap();
        assert_eq!(taken[counts.0], counts.1, "{taken}");
    }
    deployment.looks.contain("public", vec![orders.clone(), table("public", "users")]);
    assert_eq!(deployment.run("catalog_snapshots", LONG).await.unwrap()["changed"], 1);
    let last = deployment.store().last(tenant, source.id).await.unwrap().unwrap();
    assert!(last.content.is_complete && last.taken_at == last.changed_at);
    let names: Vec<_> = last.content.schemas[0].tables.iter().map(|table| &*table.table.name).collect();
    assert_eq!(names, ["orders", "users"]);
    assert_eq!(last.content.schemas[0].tables[0].table.row_estimate, None);

    // A source that is away keeps its last snapshot.
    deployment.looks.fail("shop", ErrorCode::SourceUnavailable);
    let taken = deployment.run("catalog_snapshots", LONG).await.unwrap();
    assert_eq!((&taken["unreachable"], &taken["finished"]), (&json!(1), &json!(true)));
    assert_eq!(deployment.store().last(tenant, source.id).await.unwrap().unwrap(), last);
}

#[tokio::test]
async fn a_catalog_that_is_too_large_is_cut() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    let source = deployment.source(tenant, "shop").await;
    let kept = async || {
        deployment.run("catalog_snapshots", LONG).await.unwrap();
        let content = deployment.store().last(tenant, source.id).await.unwrap().unwrap().content;
        (content.is_complete, content.schemas.iter().map(|schema| schema.tables.len()).sum::<usize>())
    };
    let many = |count: usize| (0..count).map(|number| table("public", &format!("table_{number}"))).collect::<Vec<_>>();
    deployment.looks.contain("public", many(2_000));
    assert_eq!(kept().await, (true, 2_000));
    deployment.looks.contain("public", many(2_001));
    assert_eq!(kept().await, (false, 2_000));
    let mut wide = many(5);
    for table in &mut wide {
        table.columns[0].comment = Some("x".repeat(1_000_000));
    }
    deployment.looks.contain("public", wide);
    assert_eq!(kept().await, (false, 3));
}

#[tokio::test]
async fn what_nothing_needs_is_purged_and_the_rest_stays() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    let keys: &dyn Repository<ApiKey> = deployment.store();
    for (name, expired, revoked) in [
        ("works", None, None),
        ("expires", Some(-5), None),
        ("expired-lately", Some(80), None),
        ("expired-long-ago", Some(100), None),
        ("revoked-lately", None, Some(80)),
        ("revoked-long-ago", Some(-5), Some(100)),
    ] {
        let key = ApiKey { expires_at: expired.map(days_ago), revoked_at: revoked.map(days_ago), ..key(tenant, name) };
        keys.create(&key).await.unwrap();
    }
    let vault: &dyn Vault = &deployment.local.vault;
    let source = deployment.source_with_secret(tenant, "shop", days_ago(400)).await;
    let (old, young) = (Deployment::secret(&source, days_ago(2)), Deployment::secret(&source, days_ago(0)));
    let used = source.secret.clone().unwrap();
    for secret in [&old, &young, &used] {
        vault.put(secret, &SecretString::from("pw")).await.unwrap();
    }
    let gone = deployment.source(tenant, "gone").await;
    deployment.run("catalog_snapshots", LONG).await.unwrap();
    Repository::<Source>::delete(deployment.store(), &gone).await.unwrap();

    let left = async || {
        let listed = tidegate_core::ports::all(keys, tenant).await.unwrap();
        let names: Vec<_> = listed.iter().map(|key| key.name.to_string()).collect();
        let secrets: Vec<SecretRef> = vault.list(tenant).await.unwrap();
        (names, secrets.len(), deployment.store().sources(tenant).await.unwrap().len())
    };
    let counted =
        |dry_run| json!({"dry_run": dry_run, "keys": 2, "secrets": 1, "catalogs": 1, "failed": 0, "finished": true});
    let before = left().await;
    let dry = deployment.event(json!({"task": "purge", "dry_run": true}), LONG).await.unwrap();
    assert_eq!(dry, counted(true));
    assert_eq!(left().await, before);

    assert_eq!(deployment.run("purge", LONG).await.unwrap(), counted(false));
    let kept = ["owner", "works", "expires", "expired-lately", "revoked-lately"].map(str::to_owned).to_vec();
    assert_eq!(left().await, (kept, 2, 1));
    assert!(vault.get(&used).await.is_ok() && vault.get(&young).await.is_ok() && vault.get(&old).await.is_err());
    let again = deployment.run("purge", LONG).await.unwrap();
    assert_eq!((&again["keys"], &again["secrets"], &again["catalogs"]), (&json!(0), &json!(0), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_more_than_a_run_purges_is_gone_on_with_by_the_next() {
    let mut deployment = Deployment::open().await;
    let mut vaults = Vec::new();
    for (name, orphans) in [("many", 45), ("few", 3)] {
        let tenant = deployment.tenant(name).await;
        let source = deployment.source(tenant, name).await;
        for _ in 0..orphans {
            let orphan = Deployment::secret(&source, days_ago(5));
            deployment.local.vault.put(&orphan, &SecretString::from("pw")).await.unwrap();
        }
        vaults.push(tenant);
    }
    deployment.tasks.vault =
        Arc::new(SlowVault { inner: deployment.local.vault.clone(), time: Duration::from_millis(1_100) });
    let mut left = Vec::new();
    for _ in 0..3 {
        let outcome = deployment.run("purge", LONG).await;
        let mut counts = Vec::new();
        for tenant in &vaults {
            counts.push(deployment.local.vault.list(*tenant).await.unwrap().len());
        }
        left.push((outcome.is_ok(), counts));
    }
    // Of the many 18 each time, in 20 seconds.
    assert_eq!(left, [(false, vec![27, 0]), (false, vec![9, 0]), (true, vec![0, 0])]);
}

#[tokio::test]
async fn credentials_that_should_be_replaced_are_counted() {
    let deployment = Deployment::open().await;
    for name in ["acme", "beta"] {
        let tenant = deployment.tenant(name).await;
        let now = deployment.clock.now();
        for (name, expires_at) in
            [("works", None), ("ends", Some(now + TimeDelta::days(3))), ("later", Some(now + TimeDelta::days(30)))]
        {
            deployment.store().create(&ApiKey { expires_at, ..key(tenant, name) }).await.unwrap();
        }
        deployment.source_with_secret(tenant, "old", days_ago(400)).await;
        deployment.source_with_secret(tenant, "young", days_ago(300)).await;
    }
    let due = deployment.run("key_rotation", LONG).await.unwrap();
    assert_eq!(due, json!({"keys": 2, "sources": 2, "failed": 0, "finished": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_do_no_harm() {
    let deployment = Deployment::open().await;
    let tenant = deployment.tenant("acme").await;
    for number in 0..9 {
        let source = deployment.source_with_secret(tenant, &format!("source-{number}"), days_ago(9)).await;
        let orphan = Deployment::secret(&source, days_ago(5));
        deployment.local.vault.put(&orphan, &SecretString::from("pw")).await.unwrap();
        let revoked = ApiKey { revoked_at: Some(days_ago(200)), ..key(tenant, &format!("key-{number}")) };
        deployment.store().create(&revoked).await.unwrap();
    }
    for task in ["source_health", "catalog_snapshots", "purge", "key_rotation"] {
        let (one, other) = tokio::join!(deployment.run(task, LONG), deployment.run(task, LONG));
        for counts in [one, other] {
            assert_eq!(counts.unwrap()["finished"], true, "{task}");
        }
        assert_eq!(deployment.store().place(task).await.unwrap(), None);
    }
    let sources = tidegate_core::ports::all::<Source>(deployment.store(), tenant).await.unwrap();
    for source in &sources {
        assert_eq!(health(&deployment, source).await, Some(HealthStatus::Ok));
        assert!(deployment.store().last(tenant, source.id).await.unwrap().is_some());
    }
    assert!(deployment.local.vault.list(tenant).await.unwrap().is_empty());
    let keys = tidegate_core::ports::all::<ApiKey>(deployment.store(), tenant).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["owner"]);
}

#[tokio::test]
async fn an_unknown_task_names_the_known_ones() {
    let deployment = Deployment::open().await;
    let error = deployment.run(&format!("task-{}", Uuid::nil()), LONG).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    for task in ["source_health", "catalog_snapshots", "purge", "key_rotation"] {
        assert!(error.message().contains(task), "{error}");
    }
}
