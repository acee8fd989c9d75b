//! Answers that the gateway before this process can carry.
//!
//! An API Gateway and a function URL in `BUFFERED` mode take an answer in one piece, as a string in a JSON document of
//! at most 6 MB. What does not fit would be lost with no more than "Internal Server Error".

use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::Request,
    http::header,
    middleware::Next,
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

/// Replaces an answer that its gateway cannot carry by an error that says what to do.
pub async fn fit(request: Request, next: Next) -> Response {
    let gateway = request.extensions().get::<Gateway>().copied();
    let response = next.run(request).await;
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
            "this gateway does not carry streams: ask for another format than `ndjson`, or call the streaming URL",
        ));
    }
    let body = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    if written_as_json(&body) > limit {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            "the answer is larger than this gateway carries (6 MB): lower `limits.bytes` and go on with `next_cursor`, \
             or call the streaming URL",
        ));
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

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
        0x00..=0x1f => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{Router, body::Bytes, http::StatusCode, middleware, routing::get};
    use futures::stream;
    use tower::ServiceExt;

    use super::*;

    async fn answer(gateway: Option<Gateway>, body: fn() -> Body) -> (StatusCode, Option<Error>, Bytes) {
        let router = Router::new().route("/", get(async move || body())).layer(middleware::from_fn(fit));
        let mut request = Request::new(Body::empty());
        if let Some(gateway) = gateway {
            request.extensions_mut().insert(gateway);
        }
        let mut response = router.oneshot(request).await.unwrap();
        let problem = response.extensions_mut().remove::<Problem>().map(|problem| problem.0);
        (response.status(), problem, to_bytes(response.into_body(), usize::MAX).await.unwrap())
    }

    #[tokio::test]
    async fn what_fits_is_left_as_it_is() {
        for gateway in [None, Some(Gateway::Streaming), Some(Gateway::Buffered(5))] {
            let (status, problem, body) = answer(gateway, || Body::from("12345")).await;
            assert_eq!((status, problem.is_none(), &*body), (StatusCode::OK, true, &b"12345"[..]));
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_as_json_is_refused() {
        for body in
            [|| Body::from("123456"), || Body::from("1\"2\n"), || Body::from("\u{1}"), || Body::from(vec![255; 4])]
        {
            let (_, problem, _) = answer(Some(Gateway::Buffered(5)), body).await;
            assert_eq!(problem.unwrap().code(), ErrorCode::LimitExceeded);
            let (status, problem, _) = answer(Some(Gateway::Streaming), body).await;
            assert!(status == StatusCode::OK && problem.is_none());
        }
    }

    #[tokio::test]
    async fn a_stream_is_refused_by_a_gateway_that_buffers() {
        let stream = || Body::from_stream(stream::iter([Ok::<_, Infallible>("row")]));
        let (_, problem, _) = answer(Some(Gateway::LAMBDA_BUFFERED), stream).await;
        assert!(problem.unwrap().message().contains("streaming URL"));
    }

    #[tokio::test]
    async fn an_answer_in_pieces_that_says_its_length_is_no_stream() {
        let answer = async || {
            let pieces = stream::iter([Ok::<_, Infallible>("12"), Ok("345")]);
            ([(header::CONTENT_LENGTH, "5")], Body::from_stream(pieces))
        };
        let router = Router::new().route("/", get(answer)).layer(middleware::from_fn(fit));
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Gateway::Buffered(5));
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap(), "12345");
    }

    #[test]
    fn the_written_length_is_that_of_a_json_encoder() {
        let every_character: String = (0..=0x3ff).filter_map(char::from_u32).collect();
        let written = serde_json::to_string(&every_character).unwrap();
        assert_eq!(written_as_json(every_character.as_bytes()), written.len() - 2);
    }
}
