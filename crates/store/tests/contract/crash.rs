//! What is acknowledged survives the death of the process.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use secrecy::{ExposeSecret, SecretString};
use tidegate_core::{
    api_key::ApiKey,
    id::TenantId,
    idempotency::IdempotentRequest,
    ports::{self, Entity, MAX_PAGE, Reference, Repository, Revisions, Vault},
    query::Query,
    server::Server,
    source::{SecretRef, Source},
    tenant::Tenant,
};
use tidegate_store::LocalBackend;
use uuid::Uuid;

use crate::fixtures::{api_key, query, revision, server, source};

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
    let queries = ports::all::<Query>(&local.store, tenant).await.unwrap();
    let stored: HashMap<_, _> = queries.into_iter().map(|query| (query.id(), query)).collect();
    for (id, name) in acknowledged {
        assert_eq!(stored[id].name().as_str(), name, "an acknowledged write is lost");
        let secret = local.vault.get(&secret_reference(tenant, *id)).await.unwrap();
        assert_eq!(secret.expose_secret(), name);
    }
    // Written and not acknowledged is possible, half written is not.
    for query in stored.values() {
        let revisions = local.store.newest(tenant, query.id, None, 10).await.unwrap();
        assert!(revisions.iter().map(|revision| revision.number).eq((1..=query.newest_revision).rev()));
        assert_eq!(revisions.first(), query.draft().or(query.published()).map(|newest| &**newest));
    }
    let (mut needed, mut noted) = (BTreeSet::new(), BTreeSet::new());
    for source in consistent::<Source>(&local.store, tenant, &mut needed, &mut noted).await {
        if let Some(secret) = &source.secret {
            local.vault.get(secret).await.unwrap();
        }
    }
    consistent::<Query>(&local.store, tenant, &mut needed, &mut noted).await;
    consistent::<Server>(&local.store, tenant, &mut needed, &mut noted).await;
    consistent::<ApiKey>(&local.store, tenant, &mut needed, &mut noted).await;
    assert_eq!(noted, needed, "what is used and what is noted as used");
    check_tenants(&local.store, &local.store).await;
}

/// Every tenant has its name, its place in the directory and its first key.
async fn check_tenants(store: &dyn ports::Tenants, keys: &dyn Repository<ApiKey>) {
    let (mut page, mut count) = (store.page(None, MAX_PAGE).await.unwrap(), 0);
    loop {
        for tenant in &page.items {
            assert_eq!(store.find(&tenant.name).await.unwrap().as_ref(), Some(&**tenant));
            assert_eq!(consistent::<ApiKey>(keys, tenant.id, &mut Uses::new(), &mut Uses::new()).await.len(), 1);
            count += 1;
        }
        let Some(next) = page.next else { break };
        page = store.page(Some(next), MAX_PAGE).await.unwrap();
    }
    assert!(count > 0, "no tenant was made");
}

/// Who needs what: what is needed first, then who needs it.
type Uses = BTreeSet<(Reference, Reference)>;

/// Every entity of a kind, each of which its name has to lead to. Adds what they need, and what is noted on them.
async fn consistent<T: Entity>(
    repository: &dyn Repository<T>,
    tenant: TenantId,
    needed: &mut Uses,
    noted: &mut Uses,
) -> Vec<Arc<T>> {
    let entities = ports::all(repository, tenant).await.unwrap();
    for entity in &entities {
        let itself = Reference { kind: T::KIND, id: entity.id() };
        assert_eq!(repository.find(tenant, entity.name()).await.unwrap().map(|found| found.id()), Some(itself.id));
        needed.extend(entity.references().into_iter().map(|target| (target, itself)));
        noted.extend(repository.users(tenant, itself.id).await.unwrap().into_iter().map(|user| (itself, user)));
    }
    entities
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
        come_and_go(&local, tenant, number).await;
        writeln!(out, "wrote {} {} .", query.id(), query.name()).unwrap();
        out.flush().unwrap();
    }
}

/// Makes, changes and deletes one of every kind, and makes a tenant.
async fn come_and_go(local: &LocalBackend, tenant: TenantId, number: usize) {
    let name = format!("passing-{}-{number}", std::process::id());
    let made = TenantId::from_uuid(Uuid::now_v7());
    let first_key = api_key(made, "owner");
    let made = Tenant { id: made, name: name.parse().unwrap(), created_at: first_key.created_at, closed_at: None };
    ports::Tenants::create(&local.store, &made, &first_key).await.unwrap();
    let mut source = source(tenant, &name);
    let secret = secret_reference(tenant, source.id());
    local.vault.put(&secret, &SecretString::from("pw")).await.unwrap();
    source.secret = Some(secret.clone());
    let request = IdempotentRequest { key: name.clone(), fingerprint: name.clone(), at: source.created_at };
    local.store.create_once(&source, &request).await.unwrap();
    let query = query(tenant, &name, &source);
    local.store.create(&query).await.unwrap();
    let server = server(tenant, &name, [query.id]);
    local.store.create(&server).await.unwrap();
    let key = api_key(tenant, &name);
    local.store.create(&key).await.unwrap();
    local.store.replace(&ApiKey { version: 2, revoked_at: Some(key.created_at), ..key }).await.unwrap();
    let empty = Server { version: 2, query_ids: vec![], ..server };
    local.store.replace(&empty).await.unwrap();
    local.store.delete(&empty).await.unwrap();
    local.store.delete(&query).await.unwrap();
    local.store.delete(&source).await.unwrap();
    local.vault.delete(&secret).await.unwrap();
}
