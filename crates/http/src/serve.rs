//! Serving a router.

use std::future::Future;

use axum::Router;
use tidegate_core::{Error, Result};
use tokio::net::TcpListener;

use crate::CallerAddress;

/// Serves a router on a socket until `shutdown` is done, then lets the requests under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    axum::serve(listener, router.into_make_service_with_connect_info::<CallerAddress>())
        .with_graceful_shutdown(shutdown)
        .await
        .map_err(|error| Error::internal(format_args!("the listener failed: {error}")))
}
