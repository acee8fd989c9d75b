//! Tenants that are made by whoever comes, where the environment says so.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tidegate_core::{
    Error, ErrorCode, Name,
    id::TenantId,
    tenant::{SignUp, Tenant},
};
use tidegate_http::{
    JsonBody, Problem,
    own_hosts::{expect_own, single},
};
use tidegate_platform::owner;
use utoipa::ToSchema;

use crate::{AuthState, keys::MadeKey};

/// What is given to sign up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// The name of the tenant; it stands in the URL of its MCP endpoints.
    pub tenant: Name,
}

/// A new tenant with its first key.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignedUp {
    tenant: Name,
    tenant_id: TenantId,
    /// The path of its MCP endpoint.
    mcp_path: String,
    /// The key of its owner.
    api_key: MadeKey,
}

/// Sign up
///
/// Makes a tenant and the first API key of its owner. It takes no key, and is open only where the environment says
/// `sign_up: open`. The text of the key is in the answer only. `Idempotency-Key` is ignored: a tenant has a name of its own,
/// so the same request makes no second one, and is answered with 409.
#[utoipa::path(post, path = "/v1/sign-up", tag = "auth", request_body = NewTenant, security(()),
    responses((status = 201, body = SignedUp)))]
pub async fn sign_up(
    _: MaySignUp,
    State(state): State<AuthState>,
    JsonBody(new): JsonBody<NewTenant>,
) -> Result<(StatusCode, Json<SignedUp>), Problem> {
    let (Tenant { id, name, .. }, key) =
        owner::make_tenant(new.tenant.clone(), &*state.tenants, &*state.clock, &*state.ids)
            .await
            .map_err(|error| told(error, &new.tenant))?;
    let signed_up = SignedUp {
        mcp_path: format!("/t/{name}/mcp"),
        tenant: name,
        tenant_id: id,
        api_key: MadeKey::of(&key.key, &key.text, &state),
    };
    Ok((StatusCode::CREATED, Json(signed_up)))
}

/// A request that may sign up. Nobody has to know a key for it, so what no page of another site may send is checked here;
/// elsewhere such a page lacks the key. Where sign-up is closed, nothing of a request is read.
#[derive(Debug)]
pub struct MaySignUp;

impl FromRequestParts<AuthState> for MaySignUp {
    type Rejection = Response;

    async fn from_request_parts(request: &mut Parts, state: &AuthState) -> Result<Self, Response> {
        if state.sign_up == SignUp::Closed {
            let closed = "sign-up is closed here; ask the operator of this deployment to make your tenant";
            return Err(Problem(Error::new(ErrorCode::Forbidden, closed)).into_response());
        }
        expect_own(request, &state.hosts).map_err(|error| Problem(error).into_response())?;
        // A page of any site may send text and forms without being asked beforehand by its browser (Fetch, "CORS-safelisted
        // request-header").
        if !is_json(&request.headers) {
            let other = Error::new(ErrorCode::InvalidRequest, "send the body with `Content-Type: application/json`");
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, Problem(other)).into_response());
        }
        Ok(Self)
    }
}

/// Whether a body is said to be JSON, and nothing else.
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = single(headers, &header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// Whoever lost the answer finds the name taken, by itself, and has no key.
fn told(error: Error, name: &Name) -> Error {
    match error.code() {
        ErrorCode::AlreadyExists => error.with_message(format!(
            "there is a tenant `{name}` already; choose another name, or, when you made it and lost the answer, ask the \
             operator of this deployment for another key"
        )),
        _ => error,
    }
}
