//! The text of an API key: `tg_`, then base64url of the tenant's id, the key's id and 32 random bytes.
//!
//! The ids make the key findable by one read; the random bytes are the secret.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tidegate_core::{
    Result,
    id::{ApiKeyId, TenantId},
    ports::Ids,
};
use uuid::Uuid;
use zeroize::Zeroizing;

const PREFIX: &str = "tg_";
const SECRET_LENGTH: usize = 32;
const LENGTH: usize = 16 + 16 + SECRET_LENGTH;

/// A new key: its text, to be shown once, and the hash to store.
pub fn generate(tenant: TenantId, id: ApiKeyId, ids: &dyn Ids) -> Result<(SecretString, String)> {
    let mut secret = Zeroizing::new([0_u8; SECRET_LENGTH]);
    ids.random(secret.as_mut())?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
    bytes.extend_from_slice(tenant.as_uuid().as_bytes());
    bytes.extend_from_slice(id.as_uuid().as_bytes());
    bytes.extend_from_slice(secret.as_ref());
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes));
    Ok((SecretString::from(text), hash(secret.as_ref())))
}

/// A key as presented by a caller; its ids say where to look, its secret is still to be verified.
pub struct PresentedKey {
    /// The tenant it claims.
    pub tenant: TenantId,
    /// The key it claims to be.
    pub id: ApiKeyId,
    secret_hash: String,
}

impl PresentedKey {
    /// Reads the text of a key. `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?);
        let (tenant, rest) = bytes.split_first_chunk::<16>()?;
        let (id, secret) = rest.split_first_chunk::<16>()?;
        (secret.len() == SECRET_LENGTH).then(|| Self {
            tenant: TenantId::from_uuid(Uuid::from_bytes(*tenant)),
            id: ApiKeyId::from_uuid(Uuid::from_bytes(*id)),
            secret_hash: hash(secret),
        })
    }

    /// Whether its secret has this stored hash; takes the same time whatever the answer.
    pub fn matches(&self, stored_hash: &str) -> bool {
        self.secret_hash.as_bytes().ct_eq(stored_hash.as_bytes()).into()
    }
}

fn hash(secret: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(secret) {
        text.extend([byte >> 4, byte & 15].into_iter().filter_map(|half| char::from_digit(half.into(), 16)));
    }
    text
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    struct Counting;

    impl Ids for Counting {
        fn uuid(&self) -> Uuid {
            Uuid::nil()
        }
        fn random(&self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(7);
            Ok(())
        }
    }

    #[test]
    fn a_key_is_found_again_and_an_edited_one_is_not() {
        let (tenant, id) = (TenantId::from_uuid(Uuid::from_u128(1)), ApiKeyId::from_uuid(Uuid::from_u128(2)));
        let (text, hash) = generate(tenant, id, &Counting).unwrap();
        let text = text.expose_secret();
        let presented = PresentedKey::parse(text).unwrap();
        assert_eq!((presented.tenant, presented.id), (tenant, id));
        assert!(presented.matches(&hash));

        let edited = format!("{}A", &text[..text.len() - 1]);
        assert!(!PresentedKey::parse(&edited).is_some_and(|key| key.matches(&hash)));
        for bad in ["", "tg_", "tg_!!", "xx_AAAA", &text[1..], &text[..text.len() - 4]] {
            assert!(PresentedKey::parse(bad).is_none(), "{bad}");
        }
    }
}
