//! Answers that the gateway before this process can carry.
//!
//! An API Gateway and a function URL in `BUFFERED` mode take an answer in one piece, as a string in a JSON document of
//! at most 6 MB. What does not fit would be lost with no more than "Internal Server Error".

use axum::{
    body::{Body, HttpBody, to_bytes},
    http::{Extensions, header},
    response::{IntoResponse, Response},
};
use tidegate_core::{Error, ErrorCode, Result};

use crate::Problem;

/// How the gateway before this process carries an answer. It travels in the extensions of a request; a request without
/// one came over a socket, which carries everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// As it comes, of any length.
    Streaming,
    /// In one piece of at most so many bytes, written as a JSON string.
    Buffered(usize),
}

impl Gateway {
    /// The limit of Lambda: 6 MiB and 100 bytes for the whole document, of which the headers may take some (AWS Lambda
    /// quotas, "invocation payload").
    pub const LAMBDA_BUFFERED: Self = Self::Buffered(6 * 1024 * 1024 - 16 * 1024);
}

/// Refuses what is answered by a stream, before it is done, where the gateway of the request does not carry one.
/// `InvalidRequest`.
pub fn expect_streams(request: &Extensions) -> Result<()> {
    match request.get::<Gateway>() {
        Some(Gateway::Buffered(_)) => Err(Error::new(
            ErrorCode::InvalidRequest,
            "this gateway does not carry streams: ask for another format than `ndjson`, or call the streaming URL",
        )),
        Some(Gateway::Streaming) | None => Ok(()),
    }
}

/// Replaces an answer that its gateway cannot carry by an error that says what to do.
pub(crate) async fn fit(response: Response, gateway: Option<Gateway>) -> Response {
    match gateway {
        Some(Gateway::Buffered(limit)) => within(response, limit).await.unwrap_or_else(|e| Problem(e).into_response()),
        Some(Gateway::Streaming) | None => response,
    }
}

async fn within(response: Response, limit: usize) -> Result<Response> {
    let (parts, body) = response.into_parts();
    if body.size_hint().exact().is_none() && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            "this gateway does not carry streams, and what the call changes may have been done: \
             call the streaming URL",
        ));
    }
    let body = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    // A shorter one fits however it is written.
    if body.len() > limit / MOST_WRITTEN && written_as_json(&body) > limit {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            "the answer is larger than this gateway carries (6 MB), and what the call changes may have been done: \
             lower `limits.bytes` and go on with `next_cursor`, or call the streaming URL",
        ));
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The most bytes that a byte takes in a JSON string.
const MOST_WRITTEN: usize = 6;

/// How many bytes a body takes as a JSON string; in base64 when it is not text.
fn written_as_json(body: &[u8]) -> usize {
    match std::str::from_utf8(body) {
        Ok(_) => body.iter().map(|&byte| written_byte(byte)).sum(),
        Err(_) => body.len().div_ceil(3) * 4,
    }
}

const fn written_byte(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..=0x1f => MOST_WRITTEN,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{body::Bytes, http::StatusCode};
    use futures::stream;

    use super::*;

    async fn answer(gateway: Option<Gateway>, body: impl Into<Body>) -> (StatusCode, Option<Error>, Bytes) {
        let mut response = fit(Response::new(body.into()), gateway).await;
        let problem = response.extensions_mut().remove::<Problem>().map(|problem| problem.0);
        (response.status(), problem, to_bytes(response.into_body(), usize::MAX).await.unwrap())
    }

    #[tokio::test]
    async fn what_fits_is_left_as_it_is() {
        for gateway in [None, Some(Gateway::Streaming), Some(Gateway::Buffered(5))] {
            let (status, problem, body) = answer(gateway, "12345").await;
            assert_eq!((status, problem.is_none(), &*body), (StatusCode::OK, true, &b"12345"[..]));
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_as_json_is_refused() {
        for body in [&b"123456"[..], b"1\"2\n", b"\x01", &[255; 4]] {
            let (_, problem, _) = answer(Some(Gateway::Buffered(5)), body).await;
            assert_eq!(problem.unwrap().code(), ErrorCode::LimitExceeded);
            let (status, problem, _) = answer(Some(Gateway::Streaming), body).await;
            assert!(status == StatusCode::OK && problem.is_none());
        }
    }

    #[tokio::test]
    async fn a_stream_is_refused_by_a_gateway_that_buffers() {
        let stream = Body::from_stream(stream::iter([Ok::<_, Infallible>("row")]));
        let (_, problem, _) = answer(Some(Gateway::LAMBDA_BUFFERED), stream).await;
        assert!(problem.unwrap().message().contains("may have been done"));
        let of = |gateway: Option<Gateway>| {
            gateway.into_iter().fold(Extensions::new(), |mut extensions, gateway| {
                extensions.insert(gateway);
                extensions
            })
        };
        assert!(expect_streams(&of(Some(Gateway::LAMBDA_BUFFERED))).is_err());
        assert!(expect_streams(&of(Some(Gateway::Streaming))).is_ok() && expect_streams(&of(None)).is_ok());
    }

    #[tokio::test]
    async fn an_answer_in_pieces_that_says_its_length_is_no_stream() {
        let pieces = stream::iter([Ok::<_, Infallible>("12"), Ok("345")]);
        let response = ([(header::CONTENT_LENGTH, "5")], Body::from_stream(pieces)).into_response();
        let response = fit(response, Some(Gateway::Buffered(5))).await;
        assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap(), "12345");
    }

    #[test]
    fn no_body_of_a_sixth_of_the_limit_is_too_long() {
        for byte in 0..=0xff {
            let body = vec![byte; 10];
            assert!(written_as_json(&body) <= 10 * MOST_WRITTEN, "{byte}");
        }
    }

    #[test]
    fn the_written_length_is_that_of_a_json_encoder() {
        let every_character: String = (0..=0x3ff).filter_map(char::from_u32).collect();
        let written = serde_json::to_string(&every_character).unwrap();
        assert_eq!(written_as_json(every_character.as_bytes()), written.len() - 2);
    }
}
