//! The end of the environment.

use std::time::Duration;

use axum::{
    body::{self, to_bytes},
    http::{HeaderName, Method, header},
};
use lambda_runtime_api_client::{BoxError, PooledClient, body::Body, build_request};
use tidegate_core::{Error, Result};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::Settle;

/// The name by which Lambda knows who wants to be told of the environment's end.
const EXTENSION: &str = "tidegate-shutdown";
const EXTENSION_NAME: HeaderName = HeaderName::from_static("lambda-extension-name");
const EXTENSION_ID: HeaderName = HeaderName::from_static("lambda-extension-identifier");

/// What Lambda answers is a name and a version, in bytes.
const MAX_ANSWER: usize = 1 << 16;

/// How long settling may take when the environment ends. Lambda gives 500 ms and kills the process.
const SHUTDOWN: Duration = Duration::from_millis(400);

/// Ends when the environment does, and has `settle` done before. Lambda tells its end (SIGTERM) only to those who
/// registered, which costs a start some requests, so only those do that have something to settle.
pub(super) async fn on_shutdown(settle: Option<Settle>) -> Result<()> {
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let is_registered = settle.is_some();
    tokio::spawn(async move {
        terminated.recv().await;
        if let Some(settle) = settle
            && timeout(SHUTDOWN, settle()).await.is_err()
        {
            tracing::error!("the environment ended before everything was written");
        }
        std::process::exit(0);
    });
    if is_registered && let Err(error) = register().await {
        tracing::debug!(%error, "the end of the environment will not be told");
    }
    Ok(())
}

/// Registers an extension that is told of no events (AWS Lambda, "Using the Lambda Extensions API").
async fn register() -> Result<(), BoxError> {
    let client = PooledClient::builder().build();
    let register = build_request()
        .method(Method::POST)
        .uri("/2020-01-01/extension/register")
        .header(EXTENSION_NAME, EXTENSION)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"events":[]}"#))?;
    let registered = client.call(register).await?;
    let Some(id) = registered.headers().get(EXTENSION_ID).cloned() else {
        return Err(format!("the extension was refused with {}", registered.status()).into());
    };
    // Read to its end, so that its connection carries the next one.
    to_bytes(body::Body::new(registered.into_body()), MAX_ANSWER).await?;
    let next = build_request().uri("/2020-01-01/extension/event/next").header(EXTENSION_ID, id).body(Body::empty())?;
    // It says that the extension is ready, and is never answered.
    tokio::spawn(client.call(next));
    Ok(())
}
