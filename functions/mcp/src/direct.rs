//! Calls of tools, answered without the protocol library.
//!
//! For every request the library runs four tasks with channels between them, reads the message by trying each kind that
//! there is, and takes structured content as a parsed value. A call costs more of that than of its query. So a `tools/call`
//! that is in order is read here, run, and written around the text that the encoder made. Nothing is refused here: what
//! deviates, in a header or in its shape, is left to the library, which knows every refusal.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use http_body::Frame;
use http_body_util::StreamBody;
use rmcp::model::{Implementation, JsonObject, ProtocolVersion, RequestMetaObject};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidegate_core::{Error, Result};
use tidegate_http::own_hosts::{is_sent_to, single};

use crate::{
    endpoint::Envelope,
    handler::{Called, SERVER_INFO},
};

/// A call of a tool that is in order.
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) arguments: JsonObject,
    id: Json,
    era: Era,
}

/// How a client says its version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    /// Once, when it initializes.
    Session,
    /// With every request, as of 2026-07-28.
    Request,
}

/// The params of a call, and no other ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    name: String,
    arguments: Option<JsonObject>,
    #[serde(rename = "_meta")]
    meta: Option<RequestMetaObject>,
}

impl ToolCall {
    /// Reads a message; `None` when the library has to look at it.
    pub(crate) fn read(headers: &HeaderMap, hosts: &[String], message: Envelope<'_>) -> Option<Self> {
        let Envelope { id: Some(id), method: Some(method), params: Some(params), result: None, error: None, .. } =
            message
        else {
            return None;
        };
        if method != "tools/call" || !is_json(headers) || !is_sent_to(headers, hosts) {
            return None;
        }
        let Params { name, arguments, meta } = serde_json::from_str(params.get()).ok()?;
        let era = era(headers, &name, meta.unwrap_or_default())?;
        Some(Self { name, arguments: arguments.unwrap_or_default(), id, era })
    }

    /// The answer that says what came of it.
    pub(crate) fn answer(self, called: Called, server: Implementation) -> Result<Response> {
        let mut head = Vec::with_capacity(256 + called.text.len());
        head.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        push(&mut head, &self.id)?;
        head.extend_from_slice(b",\"result\":{");
        if self.era == Era::Request {
            head.extend_from_slice(b"\"resultType\":\"complete\",");
        }
        head.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
        push(&mut head, &called.text)?;
        head.extend_from_slice(b"}],");
        let mut rest = Vec::new();
        if let Some(structured) = called.structured {
            head.extend_from_slice(b"\"structuredContent\":");
            rest = structured;
            rest.push(b',');
        }
        rest.extend_from_slice(if called.is_error { b"\"isError\":true" } else { b"\"isError\":false" });
        if self.era == Era::Request {
            rest.extend_from_slice(b",\"_meta\":{\"");
            rest.extend_from_slice(SERVER_INFO.as_bytes());
            rest.extend_from_slice(b"\":");
            push(&mut rest, &server)?;
            rest.push(b'}');
        }
        rest.extend_from_slice(b"}}");

        let length = head.len() + rest.len();
        let frames = [head, rest].map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(piece))));
        let mut response = Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        Ok(response)
    }
}

fn push(out: &mut Vec<u8>, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(out, value).map_err(Error::internal)
}

/// Which era the headers and the metadata of a call agree on.
fn era(headers: &HeaderMap, tool: &str, meta: RequestMetaObject) -> Option<Era> {
    let own = |name| single(headers, &HeaderName::from_static(name));
    let version = match headers.contains_key(VERSION) {
        true => Some(own(VERSION)?),
        false => None,
    };
    let named = meta.protocol_version();
    if version == Some(ProtocolVersion::V_2026_07_28.as_str()) {
        let agrees = named == Some(ProtocolVersion::V_2026_07_28)
            && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
            && own("mcp-method") == Some("tools/call")
            && own("mcp-name") == Some(tool);
        return agrees.then_some(Era::Request);
    }
    let is_known = version.is_none_or(|version| {
        let mut known = ProtocolVersion::KNOWN_VERSIONS.iter().map(ProtocolVersion::as_str);
        known.any(|known| known == version) && version < ProtocolVersion::V_2026_07_28.as_str()
    });
    (is_known && named.is_none()).then_some(Era::Session)
}

const VERSION: &str = "mcp-protocol-version";

/// Whether the message is JSON, and the answer may be.
fn is_json(headers: &HeaderMap) -> bool {
    single(headers, &header::CONTENT_TYPE).is_some_and(|media_type| media_type.starts_with("application/json"))
        && takes_json(headers)
}

/// Whether a client takes an answer in JSON.
pub(crate) fn takes_json(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_none_or(|accept| {
        let accept = accept.to_str().unwrap_or_default();
        ["*/*", "application/*", "application/json"].iter().any(|part| accept.contains(part))
    })
}
