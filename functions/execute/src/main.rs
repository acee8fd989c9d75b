//! The `execute` function.

use std::process::ExitCode;

use axum::Router;
use tidegate_core::Result;
use tidegate_execute::{ExecuteState, router};
use tidegate_platform::{Platform, start::serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(routes).await
}

fn routes(platform: &Platform) -> Result<Router> {
    let engine = platform.hosted_engine()?;
    Ok(router(ExecuteState::new(platform, engine)))
}
