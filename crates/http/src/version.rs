//! Versions: an answer carries one in `ETag`, a change names the one it read in `If-Match`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tidegate_core::{Error, ErrorCode};

use crate::Problem;

/// The version that the caller read, from `If-Match: "3"`.
#[derive(Clone, Copy, Debug)]
pub struct IfMatch(pub u64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let value = parts.headers.get(header::IF_MATCH).ok_or_else(|| {
            Error::new(ErrorCode::InvalidRequest, "send the version you read in the header `if-match: \"VERSION\"`")
        })?;
        let version = value.to_str().ok().and_then(|text| text.trim().trim_matches('"').parse().ok());
        version.map(Self).ok_or_else(|| {
            Problem(Error::new(ErrorCode::InvalidRequest, "the header `if-match` must hold one version, such as \"3\""))
        })
    }
}

/// The error of a change to a version that is not the newest.
pub fn conflict(what: impl std::fmt::Display, read: u64, newest: u64) -> Error {
    Error::new(
        ErrorCode::VersionConflict,
        format!("{what} is at version {newest}, not {read}; read it again, and repeat your change on that"),
    )
}

/// A body with its version in `ETag`.
#[derive(Debug)]
pub struct Versioned<T>(pub u64, pub T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.1).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.0)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}
