//! A store of its own for one test, and migrations of it.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    Client,
    config::{Intercept, retry::RetryConfig},
};
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use tidegate_core::{
    id::TenantId,
    ports::{Clock, MAX_PAGE, Tenants},
    tenant::Tenant,
};
use uuid::Uuid;

use super::{
    super::{Migrations, ledger},
    interceptors::DieAfter,
};
use crate::{
    LocalBackend,
    dynamo::{DynamoStore, Item, encode, keys},
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

/// A store in a folder of its own.
pub(super) struct Fixture {
    backend: LocalBackend,
    _folder: TempDir,
}

impl Fixture {
    pub(super) async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { backend: LocalBackend::open(folder.path()).await.unwrap(), _folder: folder }
    }

    /// A store with three tenants that were made before there was a directory.
    pub(super) async fn old() -> Self {
        let fixture = Self::empty().await;
        for name in ["acme", "globex", "initech"] {
            fixture.make_old_tenant(name).await;
        }
        assert_eq!(fixture.migrations().initialise().await.unwrap().revision, 0);
        fixture
    }

    pub(super) fn store(&self) -> &DynamoStore {
        &self.backend.store
    }

    /// Makes a tenant as code of before does, which knows of no directory.
    pub(super) async fn make_old_tenant(&self, name: &str) {
        let tenant = tenant(name);
        let put = self.store().client.put_item().table_name(&*self.store().table);
        let put = put.set_item(Some(keys::tenant(&tenant.name))).item(keys::DOC, encode(&tenant).unwrap());
        put.send().await.unwrap();
    }

    /// Migrations that note their progress after every two items.
    pub(super) fn migrations(&self) -> Migrations {
        self.migrations_at(TimeDelta::zero())
    }

    fn migrations_at(&self, ahead: TimeDelta) -> Migrations {
        let migrations = Migrations::new(self.store().clone(), Arc::new(Ahead(ahead)), "a test".to_owned());
        Migrations { page: 2, ..migrations }
    }

    /// Migrations in a process that dies after so many writes.
    pub(super) fn dying(&self, writes: usize) -> Migrations {
        self.intercepted(DieAfter(AtomicUsize::new(writes)))
    }

    /// Migrations in a process whose calls go through this. It tries again what was not answered.
    pub(super) fn intercepted(&self, interceptor: impl Intercept + 'static) -> Migrations {
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let config = self.store().client.config().to_builder().retry_config(retries).interceptor(interceptor);
        let store = DynamoStore { client: Client::from_conf(config.build()), ..self.store().clone() };
        Migrations { store, ..self.migrations() }
    }

    /// Migrations that begin when the lock of a dead process has run out.
    pub(super) fn later(&self) -> Migrations {
        self.migrations_at(TimeDelta::minutes(2))
    }

    pub(super) async fn listed(&self) -> BTreeSet<String> {
        let page = self.store().page(None, MAX_PAGE).await.unwrap();
        page.items.iter().map(|tenant| tenant.name.to_string()).collect()
    }

    pub(super) async fn revision(&self) -> u32 {
        self.store().version().await.unwrap().unwrap().revision
    }

    /// Every item but the lock.
    pub(super) async fn items(&self) -> Vec<Item> {
        let scan = self.store().client.scan().table_name(&*self.store().table).send().await.unwrap();
        scan.items.unwrap().into_iter().filter(|item| !ledger::is_lock(item)).collect()
    }
}

pub(super) fn tenant(name: &str) -> Tenant {
    Tenant {
        id: TenantId::from_uuid(Uuid::now_v7()),
        name: name.parse().unwrap(),
        created_at: Utc::now(),
        closed_at: None,
    }
}

pub(super) fn old_tenants() -> BTreeSet<String> {
    ["acme", "globex", "initech"].map(str::to_owned).into()
}
