//! The HTTP side of the endpoint.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rmcp::transport::StreamableHttpService;
use serde::de::IgnoredAny;
use tidegate_core::{Error, Name, Result, principal::Principal, server::Server};
use tidegate_http::{Caller, Problem, edge::MAX_BODY, json::unreadable, request_id::CurrentRequest};

use crate::{McpState, handler::ToolHandler, outbox::Outbox};

/// MCP over every query
///
/// The MCP endpoint of all queries that the caller may see. JSON-RPC 2.0 over Streamable HTTP.
#[utoipa::path(post, path = "/t/{tenant}/mcp", tag = "mcp", params(("tenant" = String, Path)),
    request_body = Object, responses((status = 200, body = Object), (status = 202, description = "a notification was taken")))]
pub async fn tenant(
    State(state): State<McpState>,
    Caller(principal): Caller,
    request_id: CurrentRequest,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    own_tenant(&principal, &tenant)?;
    answer(state, principal, None, request_id, request).await
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
    Path((tenant, server)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    own_tenant(&principal, &tenant)?;
    let server = state.engine.server(&principal, &server).await?;
    answer(state, principal, Some(server), request_id, request).await
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
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await.map_err(unreadable)?;
    if let Some(refusal) = refuse(&body) {
        return Ok(refusal);
    }
    accept_anything(&mut parts.headers);
    let outbox = Outbox::new(&*state.ids);
    let handler = ToolHandler::new(state.engine, principal, server, request_id, outbox.clone());
    let service = StreamableHttpService::new(move || Ok(handler.clone()), state.sessions, state.config);
    let response = service.handle(Request::from_parts(parts, Body::from(body))).await;
    Ok(in_json(outbox.deliver(response).await).await)
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

/// Says in JSON-RPC what is wrong with a body that is not one JSON object (JSON-RPC 2.0 §5.1; MCP has no batches).
fn refuse(body: &[u8]) -> Option<Response> {
    let (code, message) = match serde_json::from_slice::<IgnoredAny>(body) {
        Err(error) => (-32700, format!("the body is not JSON: {error}")),
        Ok(_) if body.trim_ascii_start().starts_with(b"{") => return None,
        Ok(_) => (-32600, "the body must be one JSON-RPC message; batches are not part of MCP".to_owned()),
    };
    Some((StatusCode::BAD_REQUEST, refusal(code, &message)).into_response())
}

/// A client that takes anything takes what the transport wants it to name.
fn accept_anything(headers: &mut HeaderMap) {
    let anything = match headers.get(header::ACCEPT) {
        None => true,
        Some(accept) => accept.as_bytes().windows(3).any(|part| part == b"*/*"),
    };
    if anything {
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
}
