//! Serving a router under the AWS Lambda runtime, behind an API Gateway HTTP API or a function URL (payload 2.0).

use std::{
    future::ready,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, header::SET_COOKIE},
    response::Response,
};
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use lambda_extension::Extension;
use lambda_http::{
    LambdaEvent,
    aws_lambda_events::{
        apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
        encodings::Body as EventBody,
    },
    lambda_runtime::{self, FunctionResponse, MetadataPrelude, StreamResponse, service_fn},
    request::LambdaRequest,
};
use tidegate_core::{Error, Result, deadline::Deadline};
use tokio::signal::unix::{SignalKind, signal};
use tower::ServiceExt;

use crate::{gateway::Gateway, request_timeout::PlatformDeadline};

/// What is done after every call, before the environment may be frozen, and once more before it ends.
pub type Settle = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// The stage of an HTTP API that does not show in paths.
const DEFAULT_STAGE: &str = "$default";

/// The name by which Lambda knows who wants to be told of the environment's end.
const EXTENSION: &str = "tidegate-shutdown";

type Chunks = BoxStream<'static, Result<Bytes, axum::Error>>;
type Reply = FunctionResponse<ApiGatewayV2httpResponse, Chunks>;

/// How a router is served under Lambda.
pub struct Lambda {
    /// The routes.
    pub router: Router,
    /// What is done after every call. Between calls nothing runs, for the environment is frozen.
    pub settle: Settle,
    /// Whether the function URL streams (`RESPONSE_STREAM`). An HTTP API never does.
    pub url_streams: bool,
    /// What paths may begin with that is not the router's, such as `/tidegate`: the base paths of custom domains.
    pub base_paths: Vec<String>,
}

impl Lambda {
    /// Serves events until the environment ends.
    pub async fn run(self) -> Result<()> {
        on_shutdown(Arc::clone(&self.settle)).await?;
        let lambda = Arc::new(self);
        let serve = service_fn(move |event: LambdaEvent<LambdaRequest>| {
            let lambda = Arc::clone(&lambda);
            async move { lambda.answer(event).await }
        });
        lambda_runtime::run(serve).await.map_err(|error| Error::internal(format_args!("the runtime failed: {error}")))
    }

    async fn answer(&self, event: LambdaEvent<LambdaRequest>) -> Result<Reply, lambda_http::Error> {
        let deadline = deadline(event.context.deadline);
        let LambdaRequest::ApiGatewayV2(event) = event.payload else {
            return Err("the event is not of an HTTP API or a function URL with payload 2.0".into());
        };
        let gateway = self.gateway(&event);
        let mut request = self.request(event);
        request.extensions_mut().insert(gateway);
        request.extensions_mut().insert(deadline);
        // A router never fails: what goes wrong becomes an answer.
        let Ok(response) = self.router.clone().oneshot(request).await;
        if gateway == Gateway::Streaming { Ok(self.stream(response)) } else { self.whole(response).await }
    }

    fn gateway(&self, event: &ApiGatewayV2httpRequest) -> Gateway {
        // Lambda makes the domain of a function URL; no HTTP API has one like it.
        let is_url = event.request_context.domain_name.as_ref().is_some_and(|name| name.contains(".lambda-url."));
        if self.url_streams && is_url { Gateway::Streaming } else { Gateway::LAMBDA_BUFFERED }
    }

    fn request(&self, mut event: ApiGatewayV2httpRequest) -> Request {
        // A stage other than the default one begins the path, and a base path of a custom domain comes before it.
        let stage = event.request_context.stage.take().filter(|stage| stage != DEFAULT_STAGE);
        let prefixes = self.base_paths.iter().cloned().chain(stage.map(|stage| format!("/{stage}")));
        event.raw_path = event.raw_path.map(|path| prefixes.fold(path, |path, prefix| without(path, &prefix)));
        axum::http::Request::<EventBody>::from(LambdaRequest::ApiGatewayV2(event)).map(Body::new)
    }

    fn stream(&self, response: Response) -> Reply {
        let (parts, body) = response.into_parts();
        let settle = Arc::clone(&self.settle);
        let settled = stream::once(async move { settle().await }).filter_map(|()| ready(None));
        let (headers, cookies) = split_cookies(parts.headers);
        FunctionResponse::StreamingResponse(StreamResponse {
            metadata_prelude: MetadataPrelude { status_code: parts.status, headers, cookies },
            stream: body.into_data_stream().chain(settled).boxed(),
        })
    }

    async fn whole(&self, response: Response) -> Result<Reply, lambda_http::Error> {
        let (parts, body) = response.into_parts();
        // The edge has seen to it that the body fits.
        let body = to_bytes(body, usize::MAX).await?;
        (self.settle)().await;
        let mut reply = ApiGatewayV2httpResponse::default();
        reply.status_code = parts.status.as_u16().into();
        (reply.headers, reply.cookies) = split_cookies(parts.headers);
        reply.body = match String::from_utf8(body.into()) {
            Ok(text) => Some(EventBody::Text(text)),
            Err(not_text) => {
                reply.is_base64_encoded = true;
                Some(EventBody::Binary(not_text.into_bytes()))
            }
        };
        Ok(FunctionResponse::BufferedResponse(reply))
    }
}

/// The moment at which Lambda ends the call, which it tells in milliseconds since 1970.
fn deadline(since_1970: u64) -> PlatformDeadline {
    let ends = UNIX_EPOCH + Duration::from_millis(since_1970);
    let left = ends.duration_since(SystemTime::now()).unwrap_or_default();
    PlatformDeadline(Deadline::after(Instant::now(), left))
}

fn without(path: String, prefix: &str) -> String {
    match path.strip_prefix(prefix) {
        Some("") => "/".to_owned(),
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => path,
    }
}

/// The headers with one value for each name, and the cookies, which an event carries apart.
fn split_cookies(mut headers: HeaderMap) -> (HeaderMap, Vec<String>) {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let cookies = headers.get_all(SET_COOKIE).iter().map(text).collect();
    headers.remove(SET_COOKIE);
    let mut joined = HeaderMap::with_capacity(headers.len());
    for name in headers.keys() {
        let values: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        // Values of headers joined by a comma are a value of a header.
        joined.extend(HeaderValue::from_bytes(&values.join(&b", "[..])).ok().map(|value| (name.clone(), value)));
    }
    (joined, cookies)
}

/// Has `settle` done when the environment ends. Lambda tells its end (SIGTERM) only to those who registered.
async fn on_shutdown(settle: Settle) -> Result<()> {
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::internal)?;
    tokio::spawn(async move {
        terminated.recv().await;
        settle().await;
        std::process::exit(0);
    });
    match Extension::new().with_events(&[]).with_extension_name(EXTENSION).register().await {
        Ok(extension) => drop(tokio::spawn(extension.run())),
        Err(error) => tracing::debug!(%error, "the end of the environment will not be told"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn a_prefix_is_taken_off_where_it_is_a_whole_part_of_the_path() {
        for (path, rest) in
            [("/prod/v1/me", "/v1/me"), ("/prod", "/"), ("/production/v1", "/production/v1"), ("/v1", "/v1")]
        {
            assert_eq!(without(path.to_owned(), "/prod"), rest);
        }
    }

    #[test]
    fn headers_that_repeat_are_joined_and_cookies_are_apart() {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::VARY, "a"), (header::VARY, "b"), (SET_COOKIE, "c=1"), (SET_COOKIE, "d=2")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let (headers, cookies) = split_cookies(headers);
        assert_eq!(headers.get(header::VARY).unwrap(), "a, b");
        assert_eq!((headers.len(), cookies), (1, vec!["c=1".to_owned(), "d=2".to_owned()]));
    }
}
