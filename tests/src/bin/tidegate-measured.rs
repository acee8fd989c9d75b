//! The command `tidegate`, built with the tests so that they can measure it as a process of its own.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    tidegate::run().await
}
