//! The one key of a deployment, from which every other is derived.

#[cfg(feature = "local")]
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use tidegate_core::{Error, ErrorCode, Result};
use zeroize::Zeroizing;

#[cfg(feature = "local")]
use crate::local::files::{fault, readable_by_others, write_atomically};

/// The environment variable that holds the master key: 32 bytes in base64.
const VARIABLE: &str = "TIDEGATE_MASTER_KEY";

/// The master key. It encrypts nothing itself: each use has a key of its own, derived by a label.
pub struct MasterKey(SecretBox<[u8; 32]>);

impl MasterKey {
    /// The key that `TIDEGATE_MASTER_KEY` holds, when it is set. `InvalidRequest` when it is not 32 bytes in base64.
    pub fn from_environment() -> Result<Option<Self>> {
        match std::env::var(VARIABLE) {
            Ok(text) => Self::from_base64(&Zeroizing::new(text), VARIABLE).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(malformed(VARIABLE)),
        }
    }

    /// The key for one use, named by a label such as `cursor`. The same label gives the same key.
    pub fn derive(&self, label: &str) -> Result<SecretBox<[u8; 32]>> {
        // HMAC takes keys of any length, so this cannot fail.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).map_err(Error::internal)?;
        mac.update(b"tidegate ");
        mac.update(label.as_bytes());
        let derived = mac.finalize().into_bytes();
        Ok(SecretBox::init_with_mut(|key: &mut [u8; 32]| key.copy_from_slice(&derived)))
    }

    /// A random key in base64.
    #[cfg(any(feature = "local", feature = "operator"))]
    pub(crate) fn random_base64() -> Result<String> {
        let mut key = Zeroizing::new([0; 32]);
        crate::system::fill_random(&mut *key)?;
        Ok(STANDARD.encode(*key))
    }

    pub(crate) fn from_base64(text: &str, place: &str) -> Result<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| malformed(place))?);
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(malformed(place));
        }
        key.copy_from_slice(&bytes);
        Ok(Self(SecretBox::init_with_mut(|inner: &mut [u8; 32]| inner.copy_from_slice(&*key))))
    }
}

fn malformed(place: &str) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!(
            "{place} does not hold a master key: it must be 32 bytes in base64, as `openssl rand -base64 32` makes"
        ),
    )
}

#[cfg(feature = "local")]
impl MasterKey {
    /// Reads a key file. `InvalidRequest` when others than its owner may read it, or it does not hold a key.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        if readable_by_others(path)? {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("others may read the master key {place}: run `chmod 600 {place}`, and consider it known"),
            ));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fault("read", path, &error))?;
        Self::from_base64(&Zeroizing::new(text), &place)
    }

    /// Makes a random key and keeps it in a file that only its owner may read.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let text = Zeroizing::new(Self::random_base64()?);
        write_atomically(path, text.as_bytes()).map_err(|error| fault("write", path, &error))?;
        Self::from_base64(&text, &path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::from_base64(&STANDARD.encode([byte; 32]), "here").unwrap()
    }

    #[test]
    fn derived_keys_differ_by_label_and_master_key() {
        let cursor = key(1).derive("cursor").unwrap();
        assert_eq!(cursor.expose_secret(), key(1).derive("cursor").unwrap().expose_secret());
        assert_ne!(cursor.expose_secret(), key(1).derive("vault").unwrap().expose_secret());
        assert_ne!(cursor.expose_secret(), key(2).derive("cursor").unwrap().expose_secret());
        assert_ne!(cursor.expose_secret(), &[1; 32]);
    }

    #[test]
    fn a_key_of_another_length_or_alphabet_is_refused() {
        for text in ["", "x", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33]), "not base64!"] {
            let error = MasterKey::from_base64(text, "PLACE").err().unwrap();
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().starts_with("PLACE does not hold a master key"), "{error}");
        }
    }
}
