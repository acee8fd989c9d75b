//! The HTTP side of the endpoint.

use std::{borrow::Cow, mem, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Path, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use rmcp::transport::{StreamableHttpService, streamable_http_server::StreamableHttpServerConfig};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value as Json, value::RawValue};
use tidegate_core::{Error, Name, Result, principal::Principal, server::Server};
use tidegate_http::{
    Caller, Problem, RequestTimeout, edge::MAX_BODY, json::unreadable, own_hosts, request_id::CurrentRequest,
};

use crate::{
    McpState,
    direct::{ToolCall, takes_json},
    handler::ToolHandler,
};

/// MCP over every query
///
/// The MCP endpoint of all queries that the caller may see. JSON-RPC 2.0 over Streamable HTTP.
#[utoipa::path(post, path = "/t/{tenant}/mcp", tag = "mcp", params(("tenant" = String, Path)),
    request_body = Object, responses((status = 200, body = Object), (status = 202, description = "a notification was taken")))]
pub async fn tenant(
    State(state): State<McpState>,
    Caller(principal): Caller,
    request_id: CurrentRequest,
    timeout: RequestTimeout,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    own_tenant(&principal, &tenant)?;
    answer(state, principal, None, request_id, timeout, request).await
}

/// MCP over one server
///
/// The MCP endpoint of a server. JSON-RPC 2.0 over Streamable HTTP.
#[utoipa::path(post, path = "/t/{tenant}/mcp/{server}", tag = "mcp", params(("tenant" = String, Path), ("server" = String, Path)),
    request_body = Object, responses((status = 200, body = Object), (status = 202, description = "a notification was taken")))]
pub async fn server(
    State(state): State<McpState>,
    Caller(principal): Caller,
    request_id: CurrentRequest,
    timeout: RequestTimeout,
    Path((tenant, server)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    own_tenant(&principal, &tenant)?;
    let server = state.engine.server(&principal, &server).await?;
    answer(state, principal, Some(server), request_id, timeout, request).await
}

/// Another tenant does not exist for the caller.
fn own_tenant(principal: &Principal, tenant: &str) -> Result<()> {
    if principal.tenant_name.as_str() == tenant {
        return Ok(());
    }
    Err(Error::not_found("tenant", tenant.parse::<Name>().map_or_else(|_| String::new(), |name| name.to_string())))
}

async fn answer(
    state: McpState,
    principal: Arc<Principal>,
    server: Option<Arc<Server>>,
    CurrentRequest(request_id): CurrentRequest,
    RequestTimeout(timeout): RequestTimeout,
    mut request: Request,
) -> Result<Response, Problem> {
    own_hosts::expect_own_origin(request.headers(), &state.config.allowed_hosts)?;
    let hosts = own_hosts::names(request.extensions(), &state.config.allowed_hosts);
    let (mut headers, uri) = (mem::take(request.headers_mut()), mem::take(request.uri_mut()));
    let body = Bytes::from_request(request, &()).await.map_err(unreadable)?;
    let message = match read(&body) {
        Ok(message) => message,
        Err((code, wrong)) => return Ok((StatusCode::BAD_REQUEST, refusal(code, &wrong)).into_response()),
    };
    let handler =
        ToolHandler { engine: state.engine, principal, server, tools: state.tools, request: request_id, timeout };
    if let Some(mut call) = ToolCall::read(&headers, hosts, message) {
        let arguments = mem::take(&mut call.arguments);
        // Without such a tool, the library refuses the call.
        if let Some(called) = handler.call(&call.name, arguments).await {
            return Ok(call.answer(called, handler.identity())?);
        }
    }
    // Every answer is JSON, but the transport wants both of its media types named.
    if takes_json(&headers) {
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
    let mut request = Request::new(Body::from(body));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (Method::POST, uri, headers);
    let config = StreamableHttpServerConfig::clone(&state.config).with_allowed_hosts(hosts);
    let service = StreamableHttpService::new(move || Ok(handler.clone()), state.sessions, config);
    let response = service.handle(request).await;
    Ok(in_json(response.map(Body::new)).await)
}

/// The library refuses what it cannot read in plain text; a client of JSON-RPC reads JSON.
async fn in_json(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|media_type| media_type.as_bytes().starts_with(b"application/json"));
    if is_json || !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(text) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Response::from_parts(parts, Body::empty());
    };
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts.status, parts.headers, refusal(-32600, &String::from_utf8_lossy(&text))).into_response()
}

/// The body of a refusal of a message whose id is not known.
fn refusal(code: i32, message: &str) -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}}))
}

/// What of a message tells whether it is one, and what it is.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    jsonrpc: Option<Json>,
    pub(crate) id: Option<Json>,
    pub(crate) method: Option<Json>,
    #[serde(borrow)]
    pub(crate) params: Option<&'a RawValue>,
    pub(crate) result: Option<IgnoredAny>,
    pub(crate) error: Option<IgnoredAny>,
}

/// Reads a message, or says what is wrong with a body that is not one, with JSON-RPC's code (JSON-RPC 2.0 §4 and §5.1; MCP
/// has no batches, and its ids are texts or whole numbers).
fn read(body: &[u8]) -> Result<Envelope<'_>, (i32, Cow<'static, str>)> {
    let wrong = match serde_json::from_slice::<Envelope<'_>>(body) {
        Err(error) if error.is_data() || body.trim_ascii_start().starts_with(b"[") => {
            "the body must be one JSON-RPC message; batches are not part of MCP"
        }
        Err(error) => return Err((-32700, format!("the body is not JSON: {error}").into())),
        Ok(message) if message.jsonrpc != Some(Json::from("2.0")) => "`jsonrpc` must be \"2.0\"",
        Ok(Envelope { id: Some(id), .. }) if !(id.is_string() || id.is_i64() || id.is_u64()) => {
            "`id` must be a text or a whole number"
        }
        Ok(message) if message.result.is_some() || message.error.is_some() => return Ok(message),
        Ok(message) if !message.method.as_ref().is_some_and(Json::is_string) => "`method` must be a text",
        Ok(message) => return Ok(message),
    };
    Err((-32600, wrong.into()))
}
