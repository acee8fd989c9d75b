//! The layer around the routes of a router: request id and log line, addresses that are not answered, problems, the end
//! of the platform's time, what the gateway can carry, the size of bodies, panics. It is one, because every layer wraps
//! every route of its own.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tidegate_core::{Error, ErrorCode, network::CallerNetworks, ports::Ids};
use tracing::Instrument;

use crate::{
    PlatformDeadline, Problem,
    caller_address::expect_answered,
    gateway::{Gateway, fit},
    problem::{Shape, render},
    request_id::{HEADER, assign},
    request_span,
    request_timeout::end_in_time,
};

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 1 << 20;

struct Edge {
    ids: Arc<dyn Ids>,
    callers: CallerNetworks,
}

/// Puts the edge around a router, which answers calls from these networks. What no route answers becomes a problem too.
pub fn layered(router: Router, ids: Arc<dyn Ids>, callers: &CallerNetworks) -> Router {
    let edge = Arc::new(Edge { ids, callers: callers.clone() });
    router
        .fallback(async || Problem(Error::new(ErrorCode::NotFound, "there is no such route; see /docs")))
        .layer(middleware::from_fn_with_state(edge, answer))
}

async fn answer(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = assign(&edge.ids, &mut request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let shape = Shape::on(request.uri().path());
    // The inner one of two: a task that streams the answer goes on in it.
    let traced = request_span::begin(&request, id);
    // It is part of every line, also where only errors are logged.
    let span = tracing::error_span!("request", request_id = %id);
    let mut response = match expect_answered(&edge.callers, &request) {
        Ok(()) => bounded(request, next).instrument(traced.clone()).instrument(span.clone()).await,
        Err(error) => Problem(error).into_response(),
    };
    let _entered = span.enter();

    if let Some(error) = unexplained(&response, &method) {
        let allow = response.headers().get(header::ALLOW).cloned();
        response = render(&error, response.status(), id, shape);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    if let Some(Problem(error)) = response.extensions_mut().remove::<Problem>() {
        match error.code() {
            ErrorCode::Internal | ErrorCode::Unavailable => tracing::error!(?error, "request failed"),
            _ => tracing::debug!(?error, "request refused"),
        }
        response = render(&error, response.status(), id, shape);
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    request_span::answered(&traced, response.status());
    tracing::info!(
        %method,
        route = route.as_ref().map_or("", |route| route.as_str()),
        status = response.status().as_u16(),
        elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// The answer of the route, unless it comes too late, panics, or cannot be carried.
async fn bounded(mut request: Request, next: Next) -> Response {
    DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    let deadline = request.extensions().get::<PlatformDeadline>().copied();
    let gateway = request.extensions().get::<Gateway>().copied();
    // What a panic leaves half done belongs to its call, which is over.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answer = async move { answer.await.unwrap_or_else(|panic| panicked(&*panic)) };
    fit(end_in_time(answer, deadline).await, gateway).await
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

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    Problem(Error::internal(format_args!("panic: {what}"))).into_response()
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        time::{Duration, Instant},
    };

    use axum::{
        body::{Body, to_bytes},
        extract::ConnectInfo,
        routing::get,
    };
    use serde_json::Value as Json;
    use tidegate_core::deadline::Deadline;
    use tower::ServiceExt;
    use uuid::Uuid;

    use super::*;
    use crate::CallerAddress;

    struct OneId;

    impl Ids for OneId {
        fn uuid(&self) -> Uuid {
            Uuid::nil()
        }

        fn random(&self, _buffer: &mut [u8]) -> tidegate_core::Result<()> {
            Ok(())
        }
    }

    /// The status and the body of the answer to a call that has a tenth of a second and a gateway of 100 bytes.
    async fn answered(method: Method, path: &str) -> (StatusCode, Json) {
        answered_to(&CallerNetworks::default(), method, path).await
    }

    /// The same of a router that answers calls from these networks.
    async fn answered_to(callers: &CallerNetworks, method: Method, path: &str) -> (StatusCode, Json) {
        let mut router = Router::new();
        for start in ["/v1", "/t/{tenant}/mcp"] {
            router = router
                .route(&format!("{start}/late"), get(pending::<()>))
                .route(&format!("{start}/panic"), get(async || -> () { panic!("a fault") }))
                .route(&format!("{start}/large"), get(async || "x".repeat(101)));
        }
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let deadline = Deadline::after(Instant::now(), Duration::from_millis(400));
        request.extensions_mut().insert(PlatformDeadline(deadline));
        request.extensions_mut().insert(Gateway::Buffered(100));
        request.extensions_mut().insert(ConnectInfo(CallerAddress([192, 0, 2, 1].into())));
        let response = layered(router, Arc::new(OneId), callers).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap())
    }

    #[tokio::test]
    async fn what_the_edge_refuses_has_the_shape_of_its_path() {
        for (last, method, status, code, rpc_code) in [
            ("late", Method::GET, 503, "unavailable", -32603),
            ("panic", Method::GET, 500, "internal", -32603),
            ("large", Method::GET, 422, "limit_exceeded", -32600),
            ("large", Method::DELETE, 405, "invalid_request", -32600),
            ("nothing", Method::GET, 404, "not_found", -32600),
        ] {
            let (told, problem) = answered(method.clone(), &format!("/v1/{last}")).await;
            assert_eq!((told.as_u16(), &problem["code"]), (status, &code.into()), "{problem}");
            let (told, message) = answered(method, &format!("/t/demo/mcp/{last}")).await;
            assert_eq!((told.as_u16(), &message["error"]["data"]), (status, &problem));
            assert_eq!((&message["jsonrpc"], &message["id"]), (&"2.0".into(), &Json::Null));
            assert_eq!(message["error"]["code"], rpc_code);
        }
    }

    #[tokio::test]
    async fn an_address_that_is_not_answered_is_refused_before_any_route_in_the_shape_of_its_path() {
        let [elsewhere, here] =
            ["10.0.0.0/8", "192.0.2.0/24"].map(|range| CallerNetworks { allow: vec![range.parse().unwrap()] });
        for last in ["late", "panic", "nothing"] {
            let (told, problem) = answered_to(&elsewhere, Method::GET, &format!("/v1/{last}")).await;
            assert_eq!((told.as_u16(), &problem["code"]), (403, &"forbidden".into()), "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains("your address 192.0.2.1"), "{problem}");
            let (told, message) = answered_to(&elsewhere, Method::GET, &format!("/t/demo/mcp/{last}")).await;
            assert_eq!((told.as_u16(), &message["error"]["data"]), (403, &problem));
            assert_eq!((&message["jsonrpc"], &message["error"]["code"]), (&"2.0".into(), &(-32600).into()));
        }
        assert_eq!(answered_to(&here, Method::GET, "/v1/nothing").await.0, StatusCode::NOT_FOUND);
    }
}
