//! The vault of the local backend: one encrypted file for each secret.
//!
//! A file holds a format byte, a random nonce of 24 bytes, and the secret encrypted with XChaCha20-Poly1305. The
//! reference is authenticated with it, so a file that is moved to the name of another cannot be read. The name of a
//! file is its reference, with low lines in the place of slashes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use secrecy::{ExposeSecret, SecretString};
use tidegate_core::{
    Error, ErrorCode, Result,
    id::TenantId,
    ports::{Health, Vault},
    source::SecretRef,
};
use zeroize::Zeroizing;

use crate::{
    MasterKey,
    failure::unavailable,
    local::files::{create_directory, fault, write_atomically},
    system::fill_random,
    vault,
};

const FORMAT: u8 = 1;
const NONCE_LENGTH: usize = 24;

/// The file whose decryption proves the key, and what is authenticated with it. No reference has this name.
const CHECK: &str = "key-check";

/// The encrypted vault in a folder. Clones share the key.
#[derive(Clone)]
pub struct FileVault(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    cipher: XChaCha20Poly1305,
}

impl FileVault {
    /// Opens the vault in `folder`, which is made when it does not exist. `InvalidRequest` when the vault was made
    /// with another key, `Unavailable` when the folder cannot be read or written.
    pub fn open(folder: &Path, key: &MasterKey) -> Result<Self> {
        create_directory(folder)?;
        let key = key.derive("vault")?;
        let cipher = XChaCha20Poly1305::new(key.expose_secret().into());
        let vault = Inner { folder: folder.to_owned(), cipher };
        match fs::read(vault.folder.join(CHECK)) {
            Ok(sealed) => vault.unseal(CHECK, &sealed).map(drop).map_err(|error| {
                Error::new(
                    ErrorCode::InvalidRequest,
                    format!(
                        "the vault {} was made with another master key: give back the key it was made with, or remove \
                         the vault and register the credentials of every source again",
                        folder.display()
                    ),
                )
                .with_context(error)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_atomically(&vault.folder.join(CHECK), &vault.seal(CHECK, b"")?)
                    .map_err(|error| fault("write", &vault.folder, &error))?;
            }
            Err(error) => return Err(fault("read", &vault.folder, &error)),
        }
        Ok(Self(Arc::new(vault)))
    }

    /// Whether there is a vault in this folder.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(CHECK).exists()
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(Error::internal)?
    }
}

impl Inner {
    /// The file of a secret. A reference holds ids only, so it cannot lead out of the folder.
    fn path(&self, reference: &SecretRef) -> PathBuf {
        self.folder.join(reference.as_str().replace('/', "_"))
    }

    fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LENGTH];
        fill_random(&mut nonce)?;
        let encrypted = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: place.as_bytes() })
            .map_err(Error::internal)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LENGTH + encrypted.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&encrypted);
        Ok(sealed)
    }

    fn unseal(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || {
            Error::new(
                ErrorCode::Unavailable,
                "a secret in the vault is damaged: save the credentials of its source again, or restore the vault",
            )
        };
        let (&FORMAT, sealed) = sealed.split_first().ok_or_else(damaged)? else { return Err(damaged()) };
        let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or_else(damaged)?;
        self.cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: encrypted, aad: place.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| damaged())
    }

    fn put(&self, reference: &SecretRef, secret: &SecretString) -> Result<()> {
        let path = self.path(reference);
        if path.exists() {
            return Err(vault::existing());
        }
        write_atomically(&path, &self.seal(reference.as_str(), secret.expose_secret().as_bytes())?)
            .map_err(|error| broken("write", &error))
    }

    fn get(&self, reference: &SecretRef) -> Result<SecretString> {
        let sealed = match fs::read(self.path(reference)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(vault::absent()),
            Err(error) => return Err(broken("read", &error)),
        };
        let secret = self.unseal(reference.as_str(), &sealed)?;
        std::str::from_utf8(&secret).map(SecretString::from).map_err(|_| Error::internal("a secret is not text"))
    }

    fn delete(&self, reference: &SecretRef) -> Result<()> {
        match fs::remove_file(self.path(reference)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(broken("remove", &error)),
        }
    }

    fn list(&self, tenant: TenantId) -> Result<Vec<SecretRef>> {
        let prefix = format!("{tenant}_");
        let mut references = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(|error| broken("list", &error))? {
            let name = entry.map_err(|error| broken("list", &error))?.file_name();
            let name = name.to_str().filter(|name| name.starts_with(&prefix));
            references.extend(name.and_then(|name| SecretRef::from_key(&name.replace('_', "/"))));
        }
        Ok(references)
    }
}

/// A file operation failed. Callers are not told about files.
fn broken(verb: &str, error: &io::Error) -> Error {
    unavailable("vault").with_context(error).with_context(format_args!("cannot {verb} a file of the vault"))
}

#[async_trait]
impl Vault for FileVault {
    async fn put(&self, reference: &SecretRef, secret: &SecretString) -> Result<()> {
        let (reference, secret) = (reference.clone(), secret.clone());
        self.blocking(move |vault| vault.put(&reference, &secret)).await
    }

    async fn get(&self, reference: &SecretRef) -> Result<SecretString> {
        let reference = reference.clone();
        self.blocking(move |vault| vault.get(&reference)).await
    }

    async fn delete(&self, reference: &SecretRef) -> Result<()> {
        let reference = reference.clone();
        self.blocking(move |vault| vault.delete(&reference)).await
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<SecretRef>> {
        self.blocking(move |vault| vault.list(tenant)).await
    }
}

#[async_trait]
impl Health for FileVault {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn check(&self) -> Result<()> {
        self.blocking(|vault| {
            let sealed = fs::read(vault.folder.join(CHECK)).map_err(|error| broken("read", &error))?;
            vault.unseal(CHECK, &sealed).map(drop)
        })
        .await
    }
}
