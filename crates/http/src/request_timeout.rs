//! How long the caller wants to wait at most.

use std::num::NonZeroU64;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use tidegate_core::{Error, ErrorCode, Result};

use crate::Problem;

/// The header that says it: a whole number of milliseconds, from 1.
pub const HEADER: &str = "x-request-timeout";

/// The most wall time of a call in milliseconds, when its caller said so. It can only lower what holds anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTimeout(pub Option<NonZeroU64>);

impl RequestTimeout {
    fn of(headers: &HeaderMap) -> Result<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let milliseconds = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())),
            (Some(_), Some(_)) => None,
        };
        match milliseconds.and_then(|text| text.parse().ok()) {
            Some(milliseconds) => Ok(Self(Some(milliseconds))),
            None => Err(Error::new(
                ErrorCode::InvalidRequest,
                "the header `X-Request-Timeout` must be one whole number of milliseconds, from 1",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestTimeout {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self::of(&parts.headers)?)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn of(values: &[&'static str]) -> Result<RequestTimeout> {
        let named = |value: &&'static str| (HeaderName::from_static(HEADER), HeaderValue::from_static(value));
        RequestTimeout::of(&values.iter().map(named).collect())
    }

    #[test]
    fn one_whole_number_of_milliseconds_is_taken() {
        assert_eq!(of(&[]).unwrap(), RequestTimeout(None));
        assert_eq!(of(&["1500"]).unwrap(), RequestTimeout(NonZeroU64::new(1500)));
    }

    #[test]
    fn anything_else_is_refused() {
        for values in [&["0"][..], &[""], &["-1"], &["+1"], &["1.5"], &["2s"], &["99999999999999999999"], &["5", "5"]] {
            assert_eq!(of(values).unwrap_err().code(), ErrorCode::InvalidRequest, "{values:?}");
        }
    }
}
