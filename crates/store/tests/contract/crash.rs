//! What is acknowledged survives the death of the process.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use secrecy::{ExposeSecret, SecretString};
use tidegate_core::{
    id::TenantId,
    ports::{Entity, Filter, Repository, Revisions, Vault},
    query::Query,
    source::{SecretRef, Source},
};
use tidegate_store::LocalBackend;
use uuid::Uuid;

use crate::fixtures::{query, revision, source};

/// Where the child of this test writes, and for which tenant. Without it, the child's half does nothing.
const FOLDER: &str = "TIDEGATE_TEST_CRASH_FOLDER";
const TENANT: &str = "TIDEGATE_TEST_CRASH_TENANT";

const ROUNDS: usize = 5;

#[tokio::test]
async fn what_is_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    let mut acknowledged = HashMap::new();
    for round in 0..ROUNDS {
        // Each round is killed after another number of writes, so that the kill falls in different places.
        acknowledged.extend(write_until_killed(folder.path(), tenant, 20 + 37 * round));
        check(folder.path(), tenant, &acknowledged).await;
    }
    assert!(acknowledged.len() > ROUNDS * 20, "{}", acknowledged.len());
}

/// Starts the child, kills it after `writes` acknowledgements, and gives the ids and names it acknowledged.
fn write_until_killed(folder: &Path, tenant: TenantId, writes: usize) -> HashMap<Uuid, String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::the_child_writes_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(TENANT, tenant.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = HashMap::new();
    while acknowledged.len() < writes {
        acknowledged.extend(acknowledgement(&lines.next().expect("the child ended by itself").unwrap()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines.map_while(Result::ok) {
        acknowledged.extend(acknowledgement(&line));
    }
    acknowledged
}

fn acknowledgement(line: &str) -> Option<(Uuid, String)> {
    let (id, name) = line.strip_prefix("wrote ")?.strip_suffix(" .")?.split_once(' ')?;
    Some((id.parse().unwrap(), name.to_owned()))
}

async fn check(folder: &Path, tenant: TenantId, acknowledged: &HashMap<Uuid, String>) {
    let local = LocalBackend::open(folder).await.unwrap();
    let queries: &dyn Repository<Query> = &local.store;
    let mut stored = HashMap::new();
    let mut after = None;
    loop {
        let page = queries.list(tenant, &Filter::default(), after, 100).await.unwrap();
        stored.extend(page.items.into_iter().map(|query| (query.id(), query)));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    for (id, name) in acknowledged {
        assert_eq!(stored[id].name().as_str(), name, "an acknowledged write is lost");
        let secret = local.vault.get(&secret_reference(tenant, *id)).await.unwrap();
        assert_eq!(secret.expose_secret(), name);
    }
    // Written and not acknowledged is possible, half written is not.
    for (id, query) in &stored {
        let revisions = local.store.newest(tenant, query.id, None, 10).await.unwrap();
        assert!(revisions.iter().map(|revision| revision.number).eq((1..=query.newest_revision).rev()));
        assert_eq!(revisions.first(), query.draft().or(query.published()).map(|newest| &**newest));
        assert_eq!(queries.find(tenant, query.name()).await.unwrap().map(|found| found.id()), Some(*id));
    }
    let sources: &dyn Repository<Source> = &local.store;
    let source = sources.find(tenant, &"flights".parse().unwrap()).await.unwrap().unwrap();
    let mut users: Vec<_> = sources.users(tenant, source.id()).await.unwrap().iter().map(|user| user.id).collect();
    let mut ids: Vec<_> = stored.into_keys().collect();
    users.sort();
    ids.sort();
    assert_eq!(users, ids);
}

fn secret_reference(tenant: TenantId, id: Uuid) -> SecretRef {
    SecretRef::new(tenant, tidegate_core::id::SourceId::from_uuid(id), id)
}

#[tokio::test]
async fn the_child_writes_until_it_is_killed() {
    let (Ok(folder), Ok(tenant)) = (std::env::var(FOLDER), std::env::var(TENANT)) else { return };
    let tenant: TenantId = tenant.parse().unwrap();
    let local = LocalBackend::open(folder.as_ref()).await.unwrap();
    let name = "flights".parse().unwrap();
    let source = match Repository::<Source>::find(&local.store, tenant, &name).await.unwrap() {
        Some(source) => source,
        None => {
            let source = Arc::new(source(tenant, "flights"));
            local.store.create(&*source).await.unwrap();
            source
        }
    };
    let mut out = std::io::stdout();
    // A parent that is gone would leave this running for ever.
    for number in 0..100_000 {
        let query = query(tenant, &format!("q{}-{number}", std::process::id()), &source);
        let secret = SecretString::from(query.name().to_string());
        local.vault.put(&secret_reference(tenant, query.id()), &secret).await.unwrap();
        local.store.create(&query).await.unwrap();
        local.store.replace(&query.with_draft(revision(2, query.name().as_str(), &source))).await.unwrap();
        writeln!(out, "wrote {} {} .", query.id(), query.name()).unwrap();
        out.flush().unwrap();
    }
}
