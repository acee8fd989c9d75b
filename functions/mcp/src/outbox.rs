//! How a result reaches the answer without being parsed and written again.
//!
//! The protocol library takes structured content as a parsed JSON value and serialises it. The encoder has written it
//! already, so the handler leaves the text here, gives the library a placeholder of 128 random bits, and the endpoint
//! puts the text in the placeholder's place.

use std::sync::{Arc, Mutex};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::Value as Json;
use tidegate_core::{Error, ports::Ids};
use tidegate_http::Problem;

/// Holds the structured content of the one result of a request.
#[derive(Clone)]
pub(crate) struct Outbox {
    placeholder: Arc<str>,
    content: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Outbox {
    pub(crate) fn new(ids: &dyn Ids) -> Self {
        Self { placeholder: format!("tidegate:{}", ids.uuid().simple()).into(), content: Arc::default() }
    }

    /// Keeps structured content and gives back what stands for it.
    pub(crate) fn keep(&self, content: Vec<u8>) -> Json {
        if let Ok(mut kept) = self.content.lock() {
            *kept = Some(content);
        }
        Json::String(self.placeholder.to_string())
    }

    /// The answer with the structured content in its place.
    pub(crate) async fn deliver<B>(&self, response: axum::http::Response<B>) -> Response
    where
        B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let content = self.content.lock().ok().and_then(|mut kept| kept.take());
        let (mut parts, body) = response.into_parts();
        let Some(content) = content else { return Response::from_parts(parts, Body::new(body)) };
        let Ok(collected) = body.collect().await else {
            return Problem(Error::internal("the answer of a tool ended early")).into_response();
        };
        let whole = collected.to_bytes();
        let quoted = format!("\"{}\"", self.placeholder);
        let Some(start) = memchr::memmem::find(&whole, quoted.as_bytes()) else {
            return Response::from_parts(parts, Body::from(whole));
        };
        let pieces = [whole.slice(..start), Bytes::from(content), whole.slice(start + quoted.len()..)];
        let length: usize = pieces.iter().map(Bytes::len).sum();
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        let frames = pieces.map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece)));
        Response::from_parts(parts, Body::new(StreamBody::new(futures::stream::iter(frames))))
    }
}
