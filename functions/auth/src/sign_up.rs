//! Tenants that are made by whoever comes, where the environment says so.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};
use serde::{Deserialize, Serialize};
use tidegate_core::{
    Error, ErrorCode, Name,
    id::TenantId,
    tenant::{SignUp, Tenant},
};
use tidegate_http::{JsonBody, Problem};
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
    _: IsOpen,
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

/// Says that this deployment is open to sign up. Where it is not, nothing of a request is read.
#[derive(Debug)]
pub struct IsOpen;

impl FromRequestParts<AuthState> for IsOpen {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &AuthState) -> Result<Self, Problem> {
        match state.sign_up {
            SignUp::Open => Ok(Self),
            SignUp::Closed => Err(Problem(Error::new(
                ErrorCode::Forbidden,
                "sign-up is closed here; ask the operator of this deployment to make your tenant",
            ))),
        }
    }
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
