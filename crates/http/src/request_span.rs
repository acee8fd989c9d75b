//! The span of a request, named after its route. What tenants name is not in it: no path, no query.

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
};
use tidegate_core::{id::RequestId, trace::TARGET};
use tracing::{Span, field::Empty};

use crate::gateway::Gateway;

/// Begins the span of a request, as part of the trace of its caller if there is one.
///
/// Its fields are attributes of a server's span (OpenTelemetry, "Semantic conventions for HTTP spans"); `request_id` is
/// that of the log.
pub(crate) fn begin(request: &Request, id: RequestId) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.kind = "server",
        otel.name = name(request),
        otel.status_code = Empty,
        http.request.method = method(request).unwrap_or("_OTHER"),
        http.route = route(request),
        http.response.status_code = Empty,
        url.scheme = scheme(request),
        "error.type" = Empty,
        request_id = %id,
    );
    #[cfg(feature = "otlp")]
    crate::telemetry::continue_trace(&span, request.headers());
    span
}

/// Says in the span what was answered.
pub(crate) fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}

fn name(request: &Request) -> String {
    let method = method(request).unwrap_or("HTTP");
    match route(request) {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    }
}

/// The method, unless the caller made it up.
fn method(request: &Request) -> Option<&str> {
    let is_known = matches!(
        *request.method(),
        Method::GET
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::HEAD
            | Method::OPTIONS
            | Method::TRACE
            | Method::CONNECT
    );
    is_known.then(|| request.method().as_str())
}

fn route(request: &Request) -> Option<&str> {
    request.extensions().get::<MatchedPath>().map(MatchedPath::as_str)
}

/// A gateway speaks TLS only, and a socket of ours never does.
fn scheme(request: &Request) -> &'static str {
    if request.extensions().get::<Gateway>().is_some() { "https" } else { "http" }
}
