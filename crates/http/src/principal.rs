//! Who is calling: the claims of a token that the gateway verified, or the API key in `Authorization: Bearer`, become a
//! [`Principal`].

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use tidegate_core::{
    Error, ErrorCode, Result,
    api_key::ApiKey,
    budget::Limits,
    ports::{Clock, Repository, Tenants},
    principal::{self, Principal, Scope},
    token::{Claimed, TokenClaims},
};

use crate::{Problem, api_key::PresentedKey};

/// Turns credentials into principals.
pub struct Authenticator {
    keys: Arc<dyn Repository<ApiKey>>,
    tenants: Arc<dyn Tenants>,
    token_claims: TokenClaims,
    clock: Arc<dyn Clock>,
}

/// The claims of a token that the gateway before this process verified. They travel in the extensions of a request, where
/// only the gateway's event puts them: a request that came over a socket or a function URL has none.
#[derive(Clone, Debug)]
pub struct VerifiedClaims(pub(crate) Map<String, Json>);

impl VerifiedClaims {
    /// A claim that is a text. The gateway writes a list as one, too: `[a b]`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

impl Authenticator {
    /// An authenticator over these keys, and over tokens that name one of these tenants in these claims.
    pub fn new(
        keys: Arc<dyn Repository<ApiKey>>,
        tenants: Arc<dyn Tenants>,
        token_claims: TokenClaims,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { keys, tenants, token_claims, clock }
    }

    /// The time of day that credentials are looked at by.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The principal of a request. `Unauthenticated` says no more than which kind of credentials is wanted, or which claim
    /// of a token says nothing.
    pub async fn authenticate(&self, request: &Parts) -> Result<Arc<Principal>> {
        match request.extensions.get::<VerifiedClaims>() {
            Some(claims) => self.by_token(claims).await,
            None => self.by_key(&request.headers).await,
        }
    }

    /// The principal of a token. It has the whole tenant in its sight, as far as its role goes.
    async fn by_token(&self, claims: &VerifiedClaims) -> Result<Arc<Principal>> {
        let Claimed { tenant: name, caller, role } = self.token_claims.read(|claim| claims.text(claim))?;
        let no_tenant = || self.token_claims.no_tenant().with_context(format_args!("there is no tenant {name}"));
        let tenant = self.tenants.find(&name).await?.filter(|tenant| !tenant.is_closed()).ok_or_else(no_tenant)?;
        Ok(Arc::new(Principal {
            tenant: tenant.id,
            tenant_name: tenant.name,
            caller,
            role,
            scope: Scope::default(),
            limits: Limits::default(),
        }))
    }

    async fn by_key(&self, headers: &HeaderMap) -> Result<Arc<Principal>> {
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
        Ok(Self(authenticator.authenticate(parts).await?))
    }
}
