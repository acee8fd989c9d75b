//! The `auth` function.

use std::process::ExitCode;

use tidegate_auth::{AuthState, router};
use tidegate_platform::start::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(|platform| Ok(router(AuthState::new(platform)))).await
}
