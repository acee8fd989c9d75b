//! Errors as RFC 9457 `application/problem+json`.
//!
//! A handler's [`Problem`] travels in the response's extensions up to the [`crate::edge`], which knows the request id
//! and writes the body. So there is one mapping, and every error has its request id.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use tidegate_core::{Error, ErrorCode, error::Fault, id::RequestId};
use utoipa::ToSchema;

/// An error on its way to the edge.
#[derive(Clone, Debug)]
pub struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(self.0.code());
        response.extensions_mut().insert(self);
        response
    }
}

/// How the body of an error answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `application/problem+json`.
    Problem,
    /// A JSON-RPC error without an id, with the problem as its data.
    JsonRpc,
}

impl Shape {
    /// That of every answer on a path. The endpoints of MCP are at `/t/{tenant}/mcp` and below; their clients read a
    /// body only as JSON-RPC.
    pub(crate) fn on(path: &str) -> Self {
        let mut parts = path.split('/').skip(1);
        match (parts.next(), parts.nth(1)) {
            (Some("t"), Some("mcp")) => Self::JsonRpc,
            _ => Self::Problem,
        }
    }
}

/// The codes of a JSON-RPC message that could not be taken, and of one that was and failed (JSON-RPC 2.0 §5.1).
const INVALID_REQUEST: i32 = -32600;
const INTERNAL_ERROR: i32 = -32603;

/// The body of an error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Problem")]
pub struct ProblemBody<'a> {
    /// Always `about:blank`: the code tells problems apart.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The name of the HTTP status.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what to do, for people.
    detail: &'a str,
    /// What is wrong, for programs.
    code: ErrorCode,
    /// Finds the request in the log.
    request_id: RequestId,
    /// The database's own state code.
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'a str>,
    /// Each fault with its place.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

/// The HTTP status of a code.
pub fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest | ErrorCode::InvalidArgument | ErrorCode::InvalidCursor => StatusCode::BAD_REQUEST,
        ErrorCode::InvalidTemplate
        | ErrorCode::InvalidStatement
        | ErrorCode::DatabaseError
        | ErrorCode::LimitExceeded
        | ErrorCode::TooExpensive
        | ErrorCode::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::StatementNotAllowed | ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::AlreadyExists | ErrorCode::VersionConflict | ErrorCode::InUse => StatusCode::CONFLICT,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::SourceUnavailable | ErrorCode::SourceAuthenticationFailed => StatusCode::BAD_GATEWAY,
        // Nobody reads the answer of what was cancelled.
        ErrorCode::Timeout | ErrorCode::Cancelled => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Writes the answer of a problem.
pub(crate) fn render(error: &Error, status: StatusCode, request_id: RequestId, shape: Shape) -> Response {
    let body = ProblemBody {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: error.message(),
        code: error.code(),
        request_id,
        sqlstate: error.sqlstate(),
        errors: error.faults(),
    };
    let (media_type, text) = match shape {
        Shape::Problem => ("application/problem+json", serde_json::to_vec(&body)),
        Shape::JsonRpc => {
            let code = if status.is_server_error() { INTERNAL_ERROR } else { INVALID_REQUEST };
            let error = json!({"code": code, "message": error.message(), "data": body});
            ("application/json", serde_json::to_vec(&json!({"jsonrpc": "2.0", "id": null, "error": error})))
        }
    };
    let mut response = Response::new(Body::from(text.unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if error.code() == ErrorCode::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="tidegate""#));
    }
    if let Some(seconds) = error.retry_after_seconds() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_mcp_speak_json_rpc() {
        for path in ["/t/demo/mcp", "/t/demo/mcp/", "/t/demo/mcp/flights", "/t//mcp", "/t/demo/mcp/flights/more"] {
            assert_eq!(Shape::on(path), Shape::JsonRpc, "{path}");
        }
        for path in ["/", "", "/t", "/t/mcp", "/t/demo/mcpx", "/v1/t/demo/mcp", "/v1/mcp/mcp", "/t/a/b/mcp"] {
            assert_eq!(Shape::on(path), Shape::Problem, "{path}");
        }
    }
}
