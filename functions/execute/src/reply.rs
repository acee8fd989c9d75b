//! Results as HTTP answers.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidegate_core::{
    Error, ErrorCode, Result,
    result::{Column, Truncated},
};
use tidegate_engine::{
    Answer, RowStream,
    encode::{Encoder, Format, Ndjson},
};
use tidegate_http::{Problem, gateway::expect_streams, list::Params};
use utoipa::{IntoParams, ToSchema};

/// The shape of a result.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Result")]
pub struct ResultBody {
    columns: Vec<Column>,
    /// The rows, each an array with a cell a column (or an object, with `format=objects`).
    rows: Vec<Vec<Json>>,
    /// The rows of this page.
    row_count: u64,
    /// What cut the result; null when it is whole.
    truncated: Option<Truncated>,
    /// Where the next page begins; null when there is none.
    next_cursor: Option<String>,
    /// How long the call took, in milliseconds.
    elapsed_ms: f64,
}

/// Which encoding is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FormatQuery {
    /// The encoding; by default what `Accept` prefers, else `json`.
    format: Option<Format>,
}

/// The encoding that a request asks for, which its gateway carries.
#[derive(Debug)]
pub struct Wanted(pub Format);

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Params(format) = Params::<FormatQuery>::from_request_parts(parts, state).await?;
        let format = format.wanted(&parts.headers)?;
        if format == Format::Ndjson {
            expect_streams(&parts.extensions)?;
        }
        Ok(Self(format))
    }
}

impl FormatQuery {
    /// The encoding: what the query string says, else the first media type in `Accept` that there is.
    fn wanted(&self, headers: &HeaderMap) -> Result<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let Some(accept) = headers.get(header::ACCEPT) else { return Ok(Format::Json) };
        let accept = accept.to_str().unwrap_or_default();
        let media_types = accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        for media_type in media_types {
            match media_type {
                "" | "*/*" | "application/*" | "application/json" => return Ok(Format::Json),
                "text/csv" => return Ok(Format::Csv),
                "text/markdown" => return Ok(Format::Markdown),
                "application/x-ndjson" => return Ok(Format::Ndjson),
                _ => {}
            }
        }
        Err(Error::new(
            ErrorCode::InvalidRequest,
            "no encoding fits `accept`; there are application/json, text/csv, text/markdown and application/x-ndjson",
        ))
    }
}

/// The answer of a whole page.
pub fn buffered<E: Encoder>(answer: Answer<E>) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(E::MEDIA_TYPE));
    let truncated = answer.summary.truncated.map(|truncated| match truncated {
        Truncated::Rows => "rows",
        Truncated::Bytes => "bytes",
        Truncated::Cells => "cells",
        Truncated::Time => "time",
    });
    if let Some(truncated) = truncated {
        headers.insert(HeaderName::from_static("tidegate-truncated"), HeaderValue::from_static(truncated));
    }
    if let Some(cursor) = answer.summary.next_cursor.and_then(|cursor| HeaderValue::from_str(&cursor).ok()) {
        headers.insert(HeaderName::from_static("tidegate-next-cursor"), cursor);
    }
    response
}

/// The answer of a page that streams.
pub fn streamed(rows: RowStream) -> Response {
    let chunks = futures::stream::unfold(rows, async |mut rows| {
        let chunk = rows.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), rows))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(Ndjson::MEDIA_TYPE));
    response
}

/// Says with an answer since when its query should not be used any more (RFC 9745).
pub fn deprecate(response: &mut Response, since: DateTime<Utc>) {
    if let Ok(date) = HeaderValue::from_str(&format!("@{}", since.timestamp())) {
        response.headers_mut().insert(HeaderName::from_static("deprecation"), date);
    }
}
