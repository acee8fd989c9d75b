//! The data folder of the local backend.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use secrecy::ExposeSecret;
use tidegate_core::{ErrorCode, ports::Repository, source::Source};
use tidegate_store::LocalBackend;

use crate::fixtures::{source, tenant};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_may_read_what_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let local = LocalBackend::open(&folder).await.unwrap();
    local.store.create(&source(tenant(), "flights")).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("vault")), 0o700);
    for entry in fs::read_dir(&folder).unwrap().chain(fs::read_dir(folder.join("vault")).unwrap()) {
        let path = entry.unwrap().path();
        assert!(path.is_dir() || mode(&path) == 0o600, "{}", path.display());
    }
    for name in ["store.sqlite", "store.sqlite-wal", "master.key", "lock", "vault/key-check"] {
        assert!(folder.join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a_folder_keeps_its_entities_and_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(tenant(), "flights");
    let local = LocalBackend::open(folder.path()).await.unwrap();
    local.store.create(&source).await.unwrap();
    let key = local.key.derive("cursor").unwrap();
    drop(local);
    let local = LocalBackend::open(folder.path()).await.unwrap();
    let kept: Option<Arc<Source>> = local.store.get(source.tenant, source.id.as_uuid()).await.unwrap();
    assert_eq!(*kept.unwrap(), source);
    assert_eq!(local.key.derive("cursor").unwrap().expose_secret(), key.expose_secret());
}

#[tokio::test]
async fn two_backends_cannot_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = LocalBackend::open(folder.path()).await.unwrap();
    let error = LocalBackend::open(folder.path()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.message().starts_with(&format!("process {} is using", std::process::id())), "{error}");

    // A clone of the store keeps the folder, because it keeps the database.
    let store = first.store.clone();
    drop(first);
    assert!(LocalBackend::open(folder.path()).await.is_err());
    drop(store);
    LocalBackend::open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_others_may_write_in_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let error = LocalBackend::open(folder.path()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.message().contains("chmod 700"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("file"), "").unwrap();
    let folder = parent.path().join("file/data");
    let error = LocalBackend::open(&folder).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.message().starts_with(&format!("cannot make {}", folder.display())), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("store.sqlite"), "this is not a database, but it is long enough".repeat(100)).unwrap();
    let error = LocalBackend::open(folder.path()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.message().contains("store.sqlite"), "{error}");
}

#[tokio::test]
async fn a_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(LocalBackend::open(folder.path()).await.unwrap());
    fs::set_permissions(folder.path().join("master.key"), Permissions::from_mode(0o640)).unwrap();
    let error = LocalBackend::open(folder.path()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.message().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn a_lost_key_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(LocalBackend::open(folder.path()).await.unwrap());
    fs::rename(folder.path().join("master.key"), folder.path().join("kept")).unwrap();
    let error = LocalBackend::open(folder.path()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.message().contains("master key of this vault is missing"), "{error}");
    assert!(!folder.path().join("master.key").exists());
    fs::rename(folder.path().join("kept"), folder.path().join("master.key")).unwrap();
    LocalBackend::open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn the_key_of_another_vault_is_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&ours, &theirs] {
        drop(LocalBackend::open(folder.path()).await.unwrap());
    }
    fs::copy(theirs.path().join("master.key"), ours.path().join("master.key")).unwrap();
    let error = LocalBackend::open(ours.path()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.message().contains("made with another master key"), "{error}");
}
