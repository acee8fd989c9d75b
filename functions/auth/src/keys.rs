//! API keys.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    api_key::ApiKey,
    budget::Limits,
    id::ApiKeyId,
    policy::{self, ManageApiKeys, Permit},
    ports::find,
    principal::{Role, Scope},
};
use tidegate_http::{
    Caller, JsonBody, Problem, api_key,
    list::{ListQuery, Listed, Params},
};
use utoipa::ToSchema;

use crate::AuthState;

/// What a caller gives to make a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Its name.
    pub name: Name,
    /// Its role; not above the caller's own.
    pub role: Role,
    /// What it is narrowed to.
    #[serde(default)]
    pub scope: Scope,
    /// Limits of every execution it asks for. Those of the caller's own key hold for it too.
    #[serde(default)]
    pub limits: Limits,
    /// When it stops working; never, when left out.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key, as callers see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    id: ApiKeyId,
    name: Name,
    role: Role,
    scope: Scope,
    limits: Limits,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl KeyView {
    fn of(key: &ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            role: key.role,
            scope: key.scope.clone(),
            limits: key.limits,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A new key with its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeKey {
    /// The text of the key. It is in this answer only.
    key: String,
    #[serde(flatten)]
    view: KeyView,
}

/// Make an API key
#[utoipa::path(post, path = "/v1/keys", tag = "auth", request_body = NewKey,
    responses((status = 201, body = MadeKey)))]
pub async fn create(
    State(state): State<AuthState>,
    Caller(principal): Caller,
    JsonBody(new): JsonBody<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    let permit = policy::permit::<ManageApiKeys>(&principal)?;
    check(&state, &permit, &new).await?;
    let tenant = permit.tenant();
    let id = ApiKeyId::from_uuid(state.ids.uuid());
    let (text, secret_hash) = api_key::generate(tenant, id, &*state.ids)?;
    let key = ApiKey {
        id,
        tenant,
        tenant_name: principal.tenant_name.clone(),
        name: new.name,
        secret_hash,
        role: new.role,
        scope: new.scope,
        // A key must not be more than its maker.
        limits: new.limits.narrowed(&principal.limits),
        expires_at: new.expires_at,
        revoked_at: None,
        version: 1,
        created_at: state.clock.now(),
    };
    state.keys.create(&key).await?;
    let made = MadeKey { key: text.expose_secret().to_owned(), view: KeyView::of(&key) };
    Ok((StatusCode::CREATED, Json(made)))
}

/// List the API keys
#[utoipa::path(get, path = "/v1/keys", tag = "auth", params(ListQuery),
    responses((status = 200, body = Listed<KeyView>)))]
pub async fn list(
    State(state): State<AuthState>,
    Caller(principal): Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<Listed<KeyView>>, Problem> {
    let permit = policy::permit::<ManageApiKeys>(&principal)?;
    let page = state.keys.list(permit.tenant(), &query.filter(), query.after()?, query.limit()?).await?;
    Ok(Json(Listed::of(page, KeyView::of)))
}

/// Revoke an API key
///
/// A revoked key stays in the list, and stops working at once here and within seconds elsewhere.
#[utoipa::path(delete, path = "/v1/keys/{key}", tag = "auth",
    params(("key" = String, Path, description = "name or id")), responses((status = 200, body = KeyView)))]
pub async fn revoke(
    State(state): State<AuthState>,
    Caller(principal): Caller,
    Path(which): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    let permit = policy::permit::<ManageApiKeys>(&principal)?;
    let found = find(&*state.keys, permit.tenant(), &which).await?;
    let mut key = ApiKey::clone(&found);
    if key.revoked_at.is_none() {
        key.revoked_at = Some(state.clock.now());
        key.version += 1;
        state.keys.replace(&key).await?;
    }
    Ok(Json(KeyView::of(&key)))
}

/// A key must not be more than its maker, and what it is narrowed to has to exist: a typing error there would narrow
/// it to nothing.
async fn check(state: &AuthState, permit: &Permit<ManageApiKeys>, new: &NewKey) -> Result<()> {
    if new.role > permit.principal().role {
        return Err(Error::new(
            ErrorCode::Forbidden,
            format!("a key cannot have the role `{}`, which is above your own", new.role.as_str()),
        ));
    }
    if new.expires_at.is_some_and(|expiry| expiry <= state.clock.now()) {
        return Err(Error::invalid_argument("expires_at", "`expires_at` has passed; give a time to come"));
    }
    for name in &new.scope.servers {
        if state.servers.find(permit.tenant(), name).await?.is_none() {
            return Err(Error::invalid_argument("scope.servers", format!("there is no server `{name}`")));
        }
    }
    for name in &new.scope.queries {
        if state.queries.find(permit.tenant(), name).await?.is_none() {
            return Err(Error::invalid_argument("scope.queries", format!("there is no query `{name}`")));
        }
    }
    Ok(())
}
