//! The `auth` function.

use std::process::ExitCode;

use axum::Router;
use tidegate_auth::{AuthState, router};
use tidegate_core::Result;
use tidegate_http::{health, openapi};
use tidegate_platform::{Platform, start::serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(routes).await
}

/// Its own, and what is there for all functions: the API's document, and whether the deployment works.
fn routes(platform: &Platform) -> Result<Router> {
    let own = router(AuthState::new(platform));
    Ok(own.merge(openapi::published()).merge(health::router(platform.health.clone())))
}
