//! The command `tidegate`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    tidegate::run().await
}
