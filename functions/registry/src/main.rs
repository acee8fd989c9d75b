//! The `registry` function.

use std::process::ExitCode;

use tidegate_core::Result;
use tidegate_platform::{Platform, start::serve};
use tidegate_registry::{RegistryState, router};
use utoipa_axum::router::OpenApiRouter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(routes).await
}

fn routes(platform: &Platform) -> Result<OpenApiRouter> {
    let engine = platform.hosted_engine()?;
    Ok(router(RegistryState::new(platform, engine)?))
}
