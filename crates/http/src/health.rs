//! Whether the process is alive, and whether it can do its work.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde::Serialize;
use tidegate_core::ports::Health;
use utoipa::ToSchema;

use crate::Problem;

/// The answer of both health routes.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthBody {
    /// `ok`.
    pub status: &'static str,
    /// The parts that were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<&'static str>,
}

/// The routes `/health` (the process answers) and `/health/ready` (every part can do its work).
pub fn router(parts: Vec<Arc<dyn Health>>) -> Router {
    Router::new()
        .route("/health", get(async || Json(HealthBody { status: "ok", parts: Vec::new() })))
        .route("/health/ready", get(ready))
        .with_state(Arc::new(parts))
}

async fn ready(State(parts): State<Arc<Vec<Arc<dyn Health>>>>) -> Result<Json<HealthBody>, Problem> {
    for part in parts.iter() {
        part.check().await?;
    }
    Ok(Json(HealthBody { status: "ok", parts: parts.iter().map(|part| part.name()).collect() }))
}
