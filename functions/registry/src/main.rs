//! The `registry` function.

use std::process::ExitCode;

use axum::Router;
use tidegate_core::Result;
use tidegate_platform::{Platform, start::serve};
use tidegate_registry::{RegistryState, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(routes).await
}

fn routes(platform: &Platform) -> Result<Router> {
    let engine = platform.hosted_engine()?;
    Ok(router(RegistryState::new(platform, engine)?))
}
