//! Who is calling.

use axum::{Json, extract::State};
use serde::Serialize;
use tidegate_core::{
    Name,
    budget::Limits,
    id::TenantId,
    principal::{self, Role, Scope},
    quota::Quotas,
};
use tidegate_http::{Caller, Problem};
use utoipa::ToSchema;

use crate::AuthState;

/// The caller, as it is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    tenant: Name,
    tenant_id: TenantId,
    /// The id of its API key, or `token:` and the subject of its token.
    caller: principal::Caller,
    role: Role,
    scope: Scope,
    limits: Limits,
    /// How many of each the tenant may have.
    quotas: Quotas,
}

/// Who is calling
#[utoipa::path(get, path = "/v1/me", tag = "auth", responses((status = 200, body = Me)))]
pub async fn me(State(state): State<AuthState>, Caller(principal): Caller) -> Result<Json<Me>, Problem> {
    Ok(Json(Me {
        tenant: principal.tenant_name.clone(),
        tenant_id: principal.tenant,
        caller: principal.caller.clone(),
        role: principal.role,
        scope: principal.scope.clone(),
        limits: principal.limits,
        quotas: state.quotas,
    }))
}
