//! Removals that are broken off, on the embedded store.

use std::sync::atomic::AtomicUsize;

use aws_sdk_dynamodb::{Client, config::retry::RetryConfig};
use chrono::Utc;
use tempfile::TempDir;
use tidegate_core::{
    id::{ExecutionId, SourceId, TenantId},
    idempotency::IdempotentRequest,
    ports::{EntityKind, Reference, Tenants},
};
use uuid::Uuid;

use super::*;
use crate::{
    LocalBackend,
    dynamo::{migrations::tests::interceptors::DieAfter, tests::make_tenant},
};

/// So many items of executions: more than are deleted at once, and read at once.
const EXECUTIONS: usize = PAGE + MAX_BATCH + 1;

struct Fixture {
    backend: LocalBackend,
    _folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { backend: LocalBackend::open(folder.path()).await.unwrap(), _folder: folder }
    }

    fn store(&self) -> &DynamoStore {
        &self.backend.store
    }

    /// The store of a process that dies after so many writes.
    fn dying(&self, writes: usize) -> DynamoStore {
        let interceptor = DieAfter(AtomicUsize::new(writes));
        let config = self.store().client.config().to_builder().retry_config(RetryConfig::disabled());
        DynamoStore { client: Client::from_conf(config.interceptor(interceptor).build()), ..self.store().clone() }
    }

    /// A tenant with one item at least of every kind that there is.
    async fn tenant(&self, name: &str) -> Tenant {
        let id = TenantId::from_uuid(Uuid::now_v7());
        let tenant = Tenant { id, name: name.parse().unwrap(), created_at: Utc::now(), closed_at: None };
        make_tenant(self.store(), &tenant).await.unwrap();
        let source = SourceId::from_uuid(Uuid::now_v7());
        let request = IdempotentRequest { key: "key".to_owned(), fingerprint: "all of it".to_owned(), at: Utc::now() };
        let mut items = vec![
            keys::request(id, &request),
            keys::revision(id, Uuid::now_v7(), 1),
            keys::health(id, source),
            keys::catalog(id, source),
            keys::catalog_part(id, source, 0),
        ];
        for kind in [EntityKind::Source, EntityKind::Query, EntityKind::Server, EntityKind::ApiKey] {
            items.push(keys::entity(id, Reference { kind, id: Uuid::now_v7() }));
            items.push(keys::name(id, kind, &"flights".parse().unwrap()));
        }
        items.extend((0..EXECUTIONS).map(|_| keys::executions(id, ExecutionId::from_uuid(Uuid::now_v7()))));
        for item in items {
            let put = self.store().client.put_item().table_name(&*self.store().table).set_item(Some(item));
            put.send().await.unwrap();
        }
        tenant
    }

    /// The keys of all items, in order.
    async fn keys(&self) -> Vec<(String, String)> {
        let scan = self.store().client.scan().table_name(&*self.store().table).send().await.unwrap();
        assert!(scan.last_evaluated_key.is_none());
        let mut keys: Vec<_> = scan.items.unwrap().iter().map(|item| keys::texts(item).unwrap()).collect();
        keys.sort();
        keys
    }
}

async fn end(store: &DynamoStore, tenant: &Tenant) -> Result<u64> {
    store.close(tenant, Utc::now()).await?;
    store.remove(tenant).await
}

#[tokio::test]
async fn a_removal_that_died_between_any_two_writes_is_found_and_goes_on() {
    let fixture = Fixture::new().await;
    fixture.tenant("globex").await;
    let others = fixture.keys().await;
    for writes in 0.. {
        let tenant = fixture.tenant("acme").await;
        let all = fixture.keys().await.len();
        let outcome = end(&fixture.dying(writes), &tenant).await;
        let left = fixture.keys().await;
        let found = fixture.store().find(&tenant.name).await.unwrap();
        if outcome.is_ok() {
            assert_eq!((left, found), (others, None));
            assert!(writes > 8, "it died too seldom to be a test: {writes}");
            return;
        }
        // Nobody is let in as soon as anything is gone.
        let found = found.unwrap_or_else(|| panic!("it is lost after {writes} writes"));
        assert_eq!(found.is_closed(), writes > 0, "{writes}");
        let keys = left.iter().filter(|(partition, sort)| {
            *partition == keys::partition(tenant.id) && sort.starts_with(&keys::prefix(EntityKind::ApiKey))
        });
        assert!(keys.count() == 0 || left.len() == all, "{writes}");

        assert_eq!(end(fixture.store(), &found).await.unwrap() as usize, rest(&left, &tenant), "{writes}");
        assert_eq!(fixture.keys().await, others, "{writes}");
    }
}

/// How many items of what a closed tenant has are left, its keys not counted.
fn rest(left: &[(String, String)], tenant: &Tenant) -> usize {
    let prefix = keys::prefix(EntityKind::ApiKey);
    let own = keys::partition(tenant.id);
    left.iter().filter(|(partition, sort)| partition.starts_with(&own) && !sort.starts_with(&prefix)).count()
}
