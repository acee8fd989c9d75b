//! API keys.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    api_key::ApiKey,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    policy::{self, ManageApiKeys, Permit},
    ports::{EntityKind, Filter, MAX_PAGE, find},
    principal::{Principal, Role, Scope},
};
use tidegate_http::{
    Caller, IdempotentBody, Problem, api_key, idempotency,
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
    /// That it expires soon, or is old.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl KeyView {
    fn of(key: &ApiKey, state: &AuthState) -> Self {
        let due = state.rotation.of_key(key, state.clock.now());
        Self {
            warnings: due.iter().map(ToString::to_string).collect(),
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

impl MadeKey {
    pub(crate) fn of(key: &ApiKey, text: &SecretString, state: &AuthState) -> Self {
        Self { key: text.expose_secret().to_owned(), view: KeyView::of(key, state) }
    }
}

/// Make an API key
///
/// Its text is in the answer only. The same request with the same `Idempotency-Key` makes no second key, and is answered
/// with 409, because the text cannot be given again.
#[utoipa::path(post, path = "/v1/keys", tag = "auth", request_body = NewKey,
    params(("idempotency-key" = Option<String>, Header, description = "makes it safe to send the same request again")),
    responses((status = 201, body = MadeKey)))]
pub async fn create(
    State(state): State<AuthState>,
    Caller(principal): Caller,
    IdempotentBody(new, request): IdempotentBody<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    let permit = policy::permit::<ManageApiKeys>(&principal)?;
    let room = expect_room(&state, permit.tenant());
    if let Some(made) = idempotency::begin(&*state.keys, permit.tenant(), request.as_ref(), room).await? {
        return Err(text_is_gone(&made).into());
    }
    check(&state, &permit, &new).await?;
    expect_open(&state, &principal).await?;
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
    if let Some(made) = idempotency::create(&*state.keys, &key, request.as_ref()).await? {
        return Err(text_is_gone(&made).into());
    }
    Ok((StatusCode::CREATED, Json(MadeKey::of(&key, &text, &state))))
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
    Ok(Json(Listed::of(page, |key| KeyView::of(key, &state))))
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
    Ok(Json(KeyView::of(&key, &state)))
}

/// For each key that a tenant may have, how many of its list are looked at, to tell those that work.
const LOOKED_AT: usize = 10;

/// Makes sure that a tenant may have one more key. Those that do not work any more are not counted. They stay in the
/// list, and when they fill it many times over, there is no room until they leave it.
async fn expect_room(state: &AuthState, tenant: TenantId) -> Result<()> {
    let most = state.quotas.of(EntityKind::ApiKey);
    if state.keys.count(tenant, most).await? < most {
        return Ok(());
    }
    let most = usize::from(most);
    let now = state.clock.now();
    let (mut seen, mut working, mut after) = (0, 0, None);
    while seen < LOOKED_AT * most {
        let page = state.keys.list(tenant, &Filter::default(), after, MAX_PAGE).await?;
        seen += page.items.len();
        working += page.items.iter().filter(|key| key.is_valid_at(now)).count();
        if working >= most {
            return Err(state.quotas.exceeded(EntityKind::ApiKey));
        }
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next);
    }
    Err(Error::new(
        ErrorCode::LimitExceeded,
        format!(
            "this tenant has more than {seen} API keys, most of which do not work any more; wait until they leave the list, or \
             ask the operator to raise `quotas.keys`"
        ),
    ))
}

/// A repetition finds the key and not its text, which is stored nowhere.
fn text_is_gone(made: &ApiKey) -> Error {
    Error::new(
        ErrorCode::AlreadyExists,
        format!(
            "this request made the API key `{}` before, and only that answer had its text; if it is lost, revoke the key \
             with DELETE /v1/keys/{} and make one with another name and `Idempotency-Key`",
            made.name, made.name
        ),
    )
}

/// A tenant that is being removed gets no key. Its own are gone, but one may be remembered that its owner calls with, and a
/// key that was made with it would outlive the tenant.
async fn expect_open(state: &AuthState, principal: &Principal) -> Result<()> {
    let tenant = state.tenants.find(&principal.tenant_name).await?;
    if tenant.is_some_and(|tenant| tenant.id == principal.tenant && !tenant.is_closed()) {
        return Ok(());
    }
    let removed = "this tenant is being removed; ask the operator of this deployment";
    Err(Error::new(ErrorCode::Unauthenticated, removed))
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
