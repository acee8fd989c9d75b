//! Whether what a deployment stores holds together.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tests::{found, lambda::Cloud};
use tidegate_core::{
    api_key::ApiKey,
    id::TenantId,
    ports::{self, Entity, Reference, Repository, Revisions, Tenants},
    query::Query,
    server::Server,
    source::{SecretRef, Source},
};
use tidegate_store::{DynamoStore, LocalBackend};

/// What the names of the sources' secrets begin with.
pub(super) const SOURCES: &str = "tidegate/test/sources/";

/// What is needed, and who needs it.
type Uses = BTreeSet<(Reference, Reference)>;

/// The store of a deployment, as this process sees it beside the emulator.
pub(super) async fn open(cloud: &Cloud) -> LocalBackend {
    let open = async || LocalBackend::open(cloud.folder.path()).await.ok();
    found("the folder", Duration::from_secs(10), open).await
}

/// Makes sure that every tenant is listed, found by its name and has a key, that every source has the credentials it names,
/// every name leads somewhere, every use is noted on both sides, and every revision is there. Gives back the names of the
/// secrets that no source names.
pub(super) async fn expect_whole(store: &DynamoStore, cloud: &Cloud, place: &str) -> Vec<String> {
    let mut secrets: HashSet<_> = cloud.emulator.secret_names().into_iter().collect();
    secrets.retain(|name| name.starts_with(SOURCES));
    let tenants: &dyn Tenants = store;
    for tenant in tenants.page(None, ports::MAX_PAGE).await.unwrap().items {
        assert_eq!(tenants.find(&tenant.name).await.unwrap().as_ref(), Some(&*tenant), "{place}");
        let (mut needed, mut noted) = (Uses::new(), Uses::new());
        for source in look_at::<Source>(store, tenant.id, &mut needed, &mut noted).await {
            if let Some(secret) = &source.secret {
                assert!(secrets.remove(&name_of(secret)), "{place}: `{}` has no credentials", source.name);
            }
        }
        for query in look_at::<Query>(store, tenant.id, &mut needed, &mut noted).await {
            let revisions = store.newest(tenant.id, query.id, None, 10).await.unwrap();
            let numbers = revisions.iter().map(|revision| revision.number);
            assert!(numbers.eq((1..=query.newest_revision).rev()), "{place}: `{}`", query.name());
            assert!(query.held_revisions().into_iter().all(|held| revisions.contains(held)), "{place}");
        }
        look_at::<Server>(store, tenant.id, &mut needed, &mut noted).await;
        let keys = look_at::<ApiKey>(store, tenant.id, &mut needed, &mut noted).await;
        assert!(!keys.is_empty(), "{place}: `{}` has no key", tenant.name);
        assert_eq!(noted, needed, "{place}");
    }
    secrets.into_iter().collect()
}

/// The name of a secret in Secrets Manager.
pub(super) fn name_of(secret: &SecretRef) -> String {
    format!("{SOURCES}{}", secret.as_str())
}

async fn look_at<T: Entity>(store: &DynamoStore, tenant: TenantId, needed: &mut Uses, noted: &mut Uses) -> Vec<Arc<T>> {
    let repository: &dyn Repository<T> = store;
    let entities = ports::all(repository, tenant).await.unwrap();
    for entity in &entities {
        let itself = Reference { kind: T::KIND, id: entity.id() };
        let named = repository.find(tenant, entity.name()).await.unwrap();
        assert_eq!(named.map(|named| named.id()), Some(itself.id), "{}", entity.name());
        needed.extend(entity.references().into_iter().map(|target| (target, itself)));
        let users = repository.users(tenant, itself.id).await.unwrap();
        noted.extend(users.into_iter().map(|user| (itself, user)));
    }
    entities
}
