//! The `auth` function.

use std::process::ExitCode;

use tidegate_auth::{AuthState, router};
use tidegate_http::openapi;
use tidegate_platform::start::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // It has the API's document for all functions.
    serve(|platform| Ok(router(AuthState::new(platform)).merge(openapi::published().into()))).await
}
