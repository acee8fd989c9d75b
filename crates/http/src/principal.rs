//! Who is calling: `Authorization: Bearer` becomes a [`Principal`].

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use chrono::{DateTime, Utc};
use tidegate_core::{
    Error, ErrorCode, Result,
    api_key::ApiKey,
    ports::{Clock, Repository},
    principal::{self, Principal},
};

use crate::{Problem, api_key::PresentedKey};

/// Turns credentials into principals.
pub struct Authenticator {
    keys: Arc<dyn Repository<ApiKey>>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// An authenticator over these keys.
    pub fn new(keys: Arc<dyn Repository<ApiKey>>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock }
    }

    /// The time of day that credentials are looked at by.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The principal of a request. `Unauthenticated` says no more than which kind of credentials is wanted.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Principal>> {
        let token = bearer(headers).ok_or_else(|| {
            Error::new(ErrorCode::Unauthenticated, "send an API key in the header `Authorization: Bearer tg_…`")
        })?;
        let refused = || {
            Error::new(
                ErrorCode::Unauthenticated,
                "this API key is unknown, expired or revoked; ask an admin for another",
            )
        };
        let presented = PresentedKey::parse(token).ok_or_else(refused)?;
        let key = self.keys.get(presented.tenant, presented.id.as_uuid()).await?.ok_or_else(refused)?;
        if !presented.matches(&key.secret_hash) || !key.is_valid_at(self.clock.now()) {
            return Err(refused().with_context(format_args!("key {}", key.id)));
        }
        Ok(Arc::new(Principal {
            tenant: key.tenant,
            tenant_name: key.tenant_name.clone(),
            caller: principal::Caller::ApiKey(key.id),
            role: key.role,
            scope: key.scope.clone(),
            limits: key.limits,
        }))
    }
}

/// The token of the one `Authorization: Bearer` header; the scheme's case does not matter (RFC 9110 §11.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The principal of the request, as a handler takes it.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Principal>);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        Ok(Self(authenticator.authenticate(&parts.headers).await?))
    }
}
