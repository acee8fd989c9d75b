//! The local backend: the store in one SQLite file, and the vault in encrypted files beside it.

mod embedded;
pub(crate) mod files;
mod lock;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use dynoxide::Database;
use tidegate_core::{Error, ErrorCode, Result};
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use self::lock::Lock;
use crate::{DynamoStore, FileVault, MasterKey};

const TABLE: &str = "tidegate";

/// How often expired items are removed.
const SWEEP: Duration = Duration::from_secs(60);

/// Everything a process on one machine needs, in one folder that it has for itself.
pub struct LocalBackend {
    /// The store. The folder stays locked until its last clone is dropped.
    pub store: DynamoStore,
    /// The vault.
    pub vault: FileVault,
    /// The key that cursors and the vault derive theirs from.
    pub key: Arc<MasterKey>,
    _sweeper: AbortOnDropHandle<()>,
}

impl LocalBackend {
    /// Opens a data folder, and makes what is missing: the folder, the database, the table, and, unless
    /// `TIDEGATE_MASTER_KEY` is set, a master key.
    ///
    /// `Unavailable` when another process has the folder, or it cannot be read or written; `InvalidRequest` when the
    /// master key is not the vault's, or others may read it. It must be called inside a Tokio runtime.
    pub async fn open(folder: &Path) -> Result<Self> {
        let owned = folder.to_owned();
        let (database, lock, vault, key) =
            tokio::task::spawn_blocking(move || open_files(&owned)).await.map_err(Error::internal)??;
        let store = DynamoStore::new(embedded::client(database.clone(), lock), TABLE);
        store.create_table().await?;
        let sweeper = AbortOnDropHandle::new(tokio::spawn(sweep(database)));
        Ok(Self { store, vault, key: Arc::new(key), _sweeper: sweeper })
    }

    /// The files in a data folder that are the backend's own, and the folder of the vault.
    pub fn own_files(folder: &Path) -> Vec<PathBuf> {
        ["lock", "master.key", "store.sqlite", "store.sqlite-shm", "store.sqlite-wal", "vault"]
            .map(|name| folder.join(name))
            .to_vec()
    }
}

fn open_files(folder: &Path) -> Result<(Database, Lock, FileVault, MasterKey)> {
    files::create_directory(folder)?;
    let lock = Lock::take(folder)?;
    let key = master_key(folder)?;
    let vault = FileVault::open(&folder.join("vault"), &key)?;
    let database = open_database(&folder.join("store.sqlite"))?;
    Ok((database, lock, vault, key))
}

fn master_key(folder: &Path) -> Result<MasterKey> {
    if let Some(key) = MasterKey::from_environment()? {
        return Ok(key);
    }
    let path = folder.join("master.key");
    if path.exists() {
        MasterKey::read(&path)
    } else if FileVault::exists(&folder.join("vault")) {
        Err(Error::new(
            ErrorCode::InvalidRequest,
            format!(
                "the master key of this vault is missing: put {} back, or set TIDEGATE_MASTER_KEY to what it held",
                path.display()
            ),
        ))
    } else {
        MasterKey::create(&path)
    }
}

fn open_database(path: &Path) -> Result<Database> {
    let fault = |error: dynoxide::DynoxideError| {
        Error::new(ErrorCode::Unavailable, format!("cannot open the database {}: {error}", path.display()))
    };
    // SQLite gives the files beside the database the same permissions.
    files::open_or_create(path)?;
    let database = Database::new(path.to_str().ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("the path {} is not UTF-8; choose another folder", path.display()),
        )
    })?)
    .map_err(fault)?;
    // Sets `synchronous` to NORMAL. Beside the write-ahead log, what is acknowledged then survives the death of the
    // process; the last moments before a power cut may be lost, but never half a transaction. The default, FULL,
    // would wait for the disk at each of the items of a batch.
    database.disable_bulk_loading().map_err(fault)?;
    Ok(database)
}

async fn sweep(database: Database) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(removed)) => tracing::debug!(removed, "removed expired items"),
            Ok(Err(error)) => tracing::warn!(%error, "cannot remove expired items"),
            Err(error) => tracing::warn!(%error, "cannot remove expired items"),
        }
    }
}
