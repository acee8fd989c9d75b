//! Requests to create that may come again: they carry an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
//!
//! What a request made is noted with the entity, in one write. When the request comes again, the entity is answered as
//! it is then, with `Idempotency-Replayed: true`. No answer is stored, and nothing of what was sent can be read from the
//! note: it holds hashes keyed with the caller's own secret. A caller whose token changes has none; there they are keyed
//! with the subject and the request's key.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use tidegate_core::{
    Error, ErrorCode, Result,
    id::TenantId,
    idempotency::IdempotentRequest,
    ports::{Entity, Repository},
    token::SUBJECT,
};
use uuid::Uuid;

use crate::{
    Authenticator, Problem,
    json::{parse_body, unreadable},
    principal::{VerifiedClaims, bearer},
    version::Versioned,
};

/// The header with the key: 1 to 255 visible ASCII characters, taken as they stand.
pub const HEADER: &str = "idempotency-key";

/// The header of an answer that gives what was made before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const MAX_KEY_LENGTH: usize = 255;

/// The JSON body of a request to create, and the request itself when it has a key and so may come again.
#[derive(Debug)]
pub struct IdempotentBody<T>(pub T, pub Option<IdempotentRequest>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for IdempotentBody<T>
where
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let key = key(&parts.headers)?;
        let bytes = Bytes::from_request(Request::new(body), state).await.map_err(unreadable)?;
        let request = match key {
            None => None,
            Some(key) => {
                let secret = secret(&parts, key);
                let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
                Some(IdempotentRequest {
                    key: hash(&secret, &[b"key", key.as_bytes()])?,
                    fingerprint: hash(&secret, &[parts.method.as_str().as_bytes(), target.as_bytes(), &bytes])?,
                    at: Arc::<Authenticator>::from_ref(state).now(),
                })
            }
        };
        Ok(Self(parse_body(&bytes)?, request))
    }
}

/// The key of a request, when it has one.
fn key(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(HEADER).iter();
    let key = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    let is_key =
        |key: &&str| (1..=MAX_KEY_LENGTH).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    key.filter(is_key).map(Some).ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!(
                "the header `Idempotency-Key` must be one text of 1 to {MAX_KEY_LENGTH} visible ASCII characters, such as a \
                 UUID"
            ),
        )
    })
}

/// What every repetition of a request has, and nobody else. Who has none of it was refused before.
fn secret<'a>(request: &'a Parts, key: &str) -> Cow<'a, str> {
    match request.extensions.get::<VerifiedClaims>() {
        // The next token of the same subject is another text.
        Some(claims) => format!("{} {key}", claims.text(SUBJECT).unwrap_or_default()).into(),
        None => bearer(&request.headers).unwrap_or_default().into(),
    }
}

/// The keyed hash of some parts, in base64url. The length before each keeps them apart.
fn hash(secret: &str, parts: &[&[u8]]) -> Result<String> {
    // HMAC takes keys of any length, so this cannot fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Error::internal)?;
    for part in parts {
        mac.update(&part.len().to_be_bytes());
        mac.update(part);
    }
    Ok(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Begins a creation: gives what this request made when it came before, and otherwise makes sure that there is room for
/// another. `NotFound` when what it made is deleted since.
pub async fn begin<T: Entity>(
    repository: &dyn Repository<T>,
    tenant: TenantId,
    request: Option<&IdempotentRequest>,
    room: impl Future<Output = Result<()>>,
) -> Result<Option<Arc<T>>> {
    if let Some(made) = made_before(repository, tenant, request).await? {
        return Ok(Some(made));
    }
    let Err(full) = room.await else { return Ok(None) };
    // The same request may have come twice at once, and the other one taken the last room.
    made_before(repository, tenant, request).await?.map(Some).ok_or(full)
}

async fn made_before<T: Entity>(
    repository: &dyn Repository<T>,
    tenant: TenantId,
    request: Option<&IdempotentRequest>,
) -> Result<Option<Arc<T>>> {
    let Some(request) = request else { return Ok(None) };
    match repository.stored_by(tenant, request).await? {
        Some(id) => existing(repository, tenant, id).await.map(Some),
        None => Ok(None),
    }
}

/// Stores a new entity, unless this request made one already, as when it comes twice at once: then nothing is stored,
/// and that one is given.
pub async fn create<T: Entity>(
    repository: &dyn Repository<T>,
    entity: &T,
    request: Option<&IdempotentRequest>,
) -> Result<Option<Arc<T>>> {
    let Some(request) = request else { return repository.create(entity).await.map(|()| None) };
    match repository.create_once(entity, request).await? {
        Some(id) => existing(repository, entity.tenant(), id).await.map(Some),
        None => Ok(None),
    }
}

async fn existing<T: Entity>(repository: &dyn Repository<T>, tenant: TenantId, id: Uuid) -> Result<Arc<T>> {
    repository.get(tenant, id).await?.ok_or_else(|| {
        Error::new(
            ErrorCode::NotFound,
            format!(
                "the {} that this request made is deleted since; send another `Idempotency-Key` to make it again",
                T::KIND
            ),
        )
    })
}

/// The answer to a creation: what was made, with its version.
#[derive(Debug)]
pub struct Created<T> {
    view: Versioned<T>,
    is_replay: bool,
}

impl<T> Created<T> {
    /// By this request.
    pub fn just(view: Versioned<T>) -> Self {
        Self { view, is_replay: false }
    }

    /// By this request when it came before.
    pub fn before(view: Versioned<T>) -> Self {
        Self { view, is_replay: true }
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, self.view).into_response();
        if self.is_replay {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Result<Option<String>> {
        let named = |value: &&'static str| (HeaderName::from_static(HEADER), HeaderValue::from_static(value));
        key(&values.iter().map(named).collect()).map(|key| key.map(str::to_owned))
    }

    #[test]
    fn one_text_of_visible_characters_is_a_key() {
        assert_eq!(of(&[]).unwrap(), None);
        let longest: &'static str = Box::leak("k".repeat(255).into_boxed_str());
        for good in ["1", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", "!~", longest] {
            assert_eq!(of(&[good]).unwrap().as_deref(), Some(good));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let too_long: &'static str = Box::leak("k".repeat(256).into_boxed_str());
        for bad in [&[""][..], &["a b"], &["a\tb"], &["one", "two"], &["same", "same"], &[too_long]] {
            assert_eq!(of(bad).unwrap_err().code(), ErrorCode::InvalidRequest, "{bad:?}");
        }
        let bytes =
            HeaderMap::from_iter([(HeaderName::from_static(HEADER), HeaderValue::from_bytes(b"\xff").unwrap())]);
        assert_eq!(key(&bytes).unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn hashes_tell_callers_and_parts_apart() {
        let one = hash("tg_1", &[b"ab", b"c"]).unwrap();
        assert_eq!(hash("tg_1", &[b"ab", b"c"]).unwrap(), one);
        for other in [hash("tg_2", &[b"ab", b"c"]), hash("tg_1", &[b"a", b"bc"]), hash("tg_1", &[b"abc"])] {
            assert_ne!(other.unwrap(), one);
        }
    }
}
