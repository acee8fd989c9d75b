//! The HTTP side of the endpoint.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rmcp::transport::StreamableHttpService;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value as Json;
use tidegate_core::{Error, ErrorCode, Name, Result, principal::Principal, server::Server};
use tidegate_http::{
    Caller, Problem, RequestTimeout, RpcProblem, edge::MAX_BODY, json::unreadable, request_id::CurrentRequest,
};

use crate::{McpState, handler::ToolHandler, outbox::Outbox};

/// MCP over every query
///
/// The MCP endpoint of all queries that the caller may see. JSON-RPC 2.0 over Streamable HTTP.
#[utoipa::path(post, path = "/t/{tenant}/mcp", tag = "mcp", params(("tenant" = String, Path)),
    request_body = Object, responses((status = 200, body = Object), (status = 202, description = "a notification was taken")))]
pub async fn tenant(
    State(state): State<McpState>,
    caller: Result<Caller, Problem>,
    request_id: CurrentRequest,
    timeout: Result<RequestTimeout, Problem>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, RpcProblem> {
    let Caller(principal) = caller?;
    own_tenant(&principal, &tenant)?;
    answer(state, principal, None, request_id, timeout?, request).await
}

/// MCP over one server
///
/// The MCP endpoint of a server. JSON-RPC 2.0 over Streamable HTTP.
#[utoipa::path(post, path = "/t/{tenant}/mcp/{server}", tag = "mcp", params(("tenant" = String, Path), ("server" = String, Path)),
    request_body = Object, responses((status = 200, body = Object), (status = 202, description = "a notification was taken")))]
pub async fn server(
    State(state): State<McpState>,
    caller: Result<Caller, Problem>,
    request_id: CurrentRequest,
    timeout: Result<RequestTimeout, Problem>,
    Path((tenant, server)): Path<(String, String)>,
    request: Request,
) -> Result<Response, RpcProblem> {
    let Caller(principal) = caller?;
    own_tenant(&principal, &tenant)?;
    let server = state.engine.server(&principal, &server).await?;
    answer(state, principal, Some(server), request_id, timeout?, request).await
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
    request: Request,
) -> Result<Response, RpcProblem> {
    own_origin(request.headers(), &state.config.allowed_hosts)?;
    let (mut parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await.map_err(unreadable)?;
    if let Some(refusal) = refuse(&body) {
        return Ok(refusal);
    }
    accept_anything(&mut parts.headers);
    let outbox = Outbox::new(&*state.ids);
    let handler = ToolHandler {
        engine: state.engine,
        principal,
        server,
        tools: state.tools,
        request: request_id,
        timeout,
        outbox: outbox.clone(),
    };
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

/// Refuses a page of another site: a browser sends its origin, and other clients send none (MCP, Security).
fn own_origin(headers: &HeaderMap, hosts: &[String]) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = origin.parse::<Uri>().ok().and_then(|origin| origin.host().map(str::to_owned));
    if host.is_some_and(|host| hosts.contains(&host)) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Forbidden, format!("pages of the origin `{origin}` may not use this endpoint")))
}

/// What of a message tells whether it is one.
#[derive(Deserialize)]
struct Envelope {
    jsonrpc: Option<Json>,
    id: Option<Json>,
    method: Option<Json>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// Says in JSON-RPC what is wrong with a body that is not one message (JSON-RPC 2.0 §4 and §5.1; MCP has no batches, and
/// its ids are texts or whole numbers).
fn refuse(body: &[u8]) -> Option<Response> {
    let wrong = match serde_json::from_slice::<Envelope>(body) {
        Err(error) if error.is_data() || body.trim_ascii_start().starts_with(b"[") => {
            "the body must be one JSON-RPC message; batches are not part of MCP"
        }
        Err(error) => return Some(refused(-32700, &format!("the body is not JSON: {error}"))),
        Ok(message) if message.jsonrpc != Some(Json::from("2.0")) => "`jsonrpc` must be \"2.0\"",
        Ok(Envelope { id: Some(id), .. }) if !(id.is_string() || id.is_i64() || id.is_u64()) => {
            "`id` must be a text or a whole number"
        }
        Ok(message) if message.result.is_some() || message.error.is_some() => return None,
        Ok(message) if !message.method.as_ref().is_some_and(Json::is_string) => "`method` must be a text",
        Ok(_) => return None,
    };
    Some(refused(-32600, wrong))
}

fn refused(code: i32, message: &str) -> Response {
    (StatusCode::BAD_REQUEST, refusal(code, message)).into_response()
}

/// The transport wants both of its media types named. Every answer is JSON, so a client that takes that, or anything,
/// can be served.
fn accept_anything(headers: &mut HeaderMap) {
    let fits = match headers.get(header::ACCEPT).map(|accept| accept.to_str().unwrap_or_default()) {
        None => true,
        Some(accept) => ["*/*", "application/*", "application/json"].iter().any(|part| accept.contains(part)),
    };
    if fits {
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
}
