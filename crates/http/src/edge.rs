//! The layers around a router, in their order: request id and log line, problems, the end of the platform's time, what
//! the gateway can carry, the size of bodies, panics.

use std::{any::Any, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tidegate_core::{Error, ErrorCode, ports::Ids};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::{
    Problem, gateway,
    problem::{Shape, render},
    request_id::{HEADER, assign},
    request_timeout,
};

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// Puts the layers around a router. What no route answers becomes a problem too.
pub fn layered(router: Router, ids: Arc<dyn Ids>) -> Router {
    router
        .fallback(async || Problem(Error::new(ErrorCode::NotFound, "there is no such route; see /docs")))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(gateway::fit))
        .layer(middleware::from_fn(request_timeout::end_in_time))
        .layer(middleware::from_fn_with_state(ids, answer))
}

async fn answer(State(ids): State<Arc<dyn Ids>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = assign(&ids, &mut request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // It is part of every line, also where only errors are logged.
    let span = tracing::error_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();

    if let Some(error) = unexplained(&response, &method) {
        let allow = response.headers().get(header::ALLOW).cloned();
        response = render(&error, response.status(), id, Shape::default());
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    if let Some(Problem(error)) = response.extensions_mut().remove::<Problem>() {
        match error.code() {
            ErrorCode::Internal | ErrorCode::Unavailable => tracing::error!(?error, "request failed"),
            _ => tracing::debug!(?error, "request refused"),
        }
        let shape = response.extensions_mut().remove::<Shape>().unwrap_or_default();
        response = render(&error, response.status(), id, shape);
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    tracing::info!(
        %method,
        route = route.as_ref().map_or("", |route| route.as_str()),
        status = response.status().as_u16(),
        elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// The error of a refusal that the framework wrote by itself: no body, or plain text.
fn unexplained(response: &Response, method: &Method) -> Option<Error> {
    let is_explained = response.extensions().get::<Problem>().is_some()
        || response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|media_type| !media_type.as_bytes().starts_with(b"text/plain"));
    if is_explained || !response.status().is_client_error() {
        return None;
    }
    let message = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => format!("this route does not take {method}; see /docs"),
        _ => "the path cannot be read: write each part of it in UTF-8, percent-encoded".to_owned(),
    };
    Some(Error::new(ErrorCode::InvalidRequest, message))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    Problem(Error::internal(format_args!("panic: {what}"))).into_response()
}
