//! What a vault must do, and how the file vault keeps its files.

use std::{fs, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tidegate_core::{
    ErrorCode,
    id::SourceId,
    ports::{Health, Vault},
    source::SecretRef,
};
use tidegate_store::{FileVault, LocalBackend};
use uuid::Uuid;

use crate::fixtures::tenant;

fn reference() -> SecretRef {
    SecretRef::new(tenant(), SourceId::from_uuid(Uuid::now_v7()), Uuid::now_v7())
}

async fn open() -> (FileVault, LocalBackend, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalBackend::open(folder.path()).await.unwrap();
    (local.vault.clone(), local, folder)
}

/// The files of secrets, without the one that checks the key.
fn secrets(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join("vault")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("key-check")).collect()
}

#[tokio::test]
async fn a_secret_is_kept_until_it_is_deleted() {
    let (vault, _local, _folder) = open().await;
    let (one, two) = (reference(), reference());
    for (reference, secret) in [(&one, "p\u{e4}ss w\u{f6}rd\n"), (&two, "")] {
        vault.put(reference, &SecretString::from(secret)).await.unwrap();
        assert_eq!(vault.get(reference).await.unwrap().expose_secret(), secret);
    }
    vault.delete(&one).await.unwrap();
    vault.delete(&one).await.unwrap();
    assert_eq!(vault.get(&one).await.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(vault.get(&two).await.unwrap().expose_secret(), "");
}

#[tokio::test]
async fn a_reference_is_used_once() {
    let (vault, _local, _folder) = open().await;
    let reference = reference();
    vault.put(&reference, &SecretString::from("one")).await.unwrap();
    let error = vault.put(&reference, &SecretString::from("two")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AlreadyExists);
    assert_eq!(vault.get(&reference).await.unwrap().expose_secret(), "one");
}

#[tokio::test]
async fn secrets_survive_a_restart_and_are_nowhere_in_plain_text() {
    let (vault, local, folder) = open().await;
    let reference = reference();
    vault.put(&reference, &SecretString::from("correct horse battery")).await.unwrap();
    drop((vault, local));
    let local = LocalBackend::open(folder.path()).await.unwrap();
    assert_eq!(local.vault.get(&reference).await.unwrap().expose_secret(), "correct horse battery");
    for path in secrets(&folder) {
        let content = fs::read(&path).unwrap();
        assert!(!content.windows(5).any(|part| part == b"horse"));
    }
}

#[tokio::test]
async fn the_secrets_of_one_tenant_are_listed() {
    let (vault, _local, folder) = open().await;
    let (ours, source) = (tenant(), SourceId::from_uuid(Uuid::now_v7()));
    let mut kept = [SecretRef::new(ours, source, Uuid::now_v7()), SecretRef::new(ours, source, Uuid::now_v7())];
    for reference in kept.iter().chain([&reference()]) {
        vault.put(reference, &SecretString::from("pw")).await.unwrap();
    }
    fs::write(folder.path().join("vault").join(format!("{ours}_notes")), "").unwrap();
    let mut listed = vault.list(ours).await.unwrap();
    listed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    kept.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    assert_eq!(listed, kept);
    assert!(listed.iter().all(|one| (chrono::Utc::now() - one.made_at().unwrap()).num_minutes() == 0));
    vault.delete(&kept[0]).await.unwrap();
    assert_eq!(vault.list(ours).await.unwrap(), kept[1..]);
    assert!(vault.list(tenant()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_secret_is_never_encrypted_alike() {
    let (vault, _local, folder) = open().await;
    for _ in 0..2 {
        vault.put(&reference(), &SecretString::from("same")).await.unwrap();
    }
    let files = secrets(&folder);
    assert_eq!(files.len(), 2);
    assert_ne!(fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
}

#[tokio::test]
async fn a_file_that_was_changed_in_any_byte_is_refused() {
    let (vault, _local, folder) = open().await;
    let reference = reference();
    vault.put(&reference, &SecretString::from("pw")).await.unwrap();
    let path = secrets(&folder).remove(0);
    let intact = fs::read(&path).unwrap();
    for place in 0..intact.len() {
        let mut changed = intact.clone();
        changed[place] ^= 1;
        fs::write(&path, changed).unwrap();
        let error = vault.get(&reference).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unavailable, "{place}");
    }
    for length in 0..intact.len() {
        fs::write(&path, &intact[..length]).unwrap();
        let error = vault.get(&reference).await.unwrap_err();
        assert!(error.message().contains("damaged"), "{error}");
    }
    fs::write(&path, intact).unwrap();
    assert_eq!(vault.get(&reference).await.unwrap().expose_secret(), "pw");
}

#[tokio::test]
async fn the_file_of_one_secret_is_not_taken_for_another() {
    let (vault, _local, folder) = open().await;
    let (one, two) = (reference(), reference());
    vault.put(&one, &SecretString::from("one")).await.unwrap();
    let first = secrets(&folder).remove(0);
    vault.put(&two, &SecretString::from("two")).await.unwrap();
    let second = secrets(&folder).into_iter().find(|path| *path != first).unwrap();
    fs::copy(&first, &second).unwrap();
    assert_eq!(vault.get(&two).await.unwrap_err().code(), ErrorCode::Unavailable);
    assert_eq!(vault.get(&one).await.unwrap().expose_secret(), "one");
}

#[tokio::test]
async fn a_write_that_was_cut_short_is_no_secret() {
    let (vault, _local, folder) = open().await;
    let reference = reference();
    vault.put(&reference, &SecretString::from("pw")).await.unwrap();
    let path = secrets(&folder).remove(0);
    // What a process that is killed while it writes leaves behind.
    fs::rename(&path, path.with_extension("unfinished")).unwrap();
    assert_eq!(vault.get(&reference).await.unwrap_err().code(), ErrorCode::NotFound);
    vault.put(&reference, &SecretString::from("again")).await.unwrap();
    assert_eq!(vault.get(&reference).await.unwrap().expose_secret(), "again");
    assert_eq!(secrets(&folder).len(), 1);
}

#[tokio::test]
async fn the_health_check_notices_a_vault_that_is_gone() {
    let (vault, _local, folder) = open().await;
    assert_eq!(vault.name(), "vault");
    vault.check().await.unwrap();
    fs::rename(folder.path().join("vault"), folder.path().join("moved")).unwrap();
    assert_eq!(vault.check().await.unwrap_err().code(), ErrorCode::Unavailable);
}
