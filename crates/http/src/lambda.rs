//! Serving a router under the AWS Lambda runtime, behind an API Gateway HTTP API or a function URL (payload 2.0).

mod event;
mod events;
mod shutdown;

use std::{
    future::ready,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::ConnectInfo,
    response::Response,
};
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use lambda_runtime::{FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse, service_fn};
use tidegate_core::{Error, Result, deadline::Deadline};
use tokio::time::timeout;
use tower::ServiceExt;

pub use self::events::{EventHandler, serve_events};

use self::{
    event::{Event, Whole, split_cookies},
    shutdown::on_shutdown,
};
#[cfg(feature = "otlp")]
use crate::telemetry;
use crate::{CallerAddress, gateway::Gateway, request_timeout::PlatformDeadline};

/// What is done after every call, before the environment may be frozen, and once more before it ends.
pub type Settle = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// The longest that Lambda lets a call take.
const LONGEST_CALL: Duration = Duration::from_secs(15 * 60);

/// What settling leaves of a call's time for its answer to go out.
const SEND: Duration = Duration::from_millis(100);

type Chunks = BoxStream<'static, Result<Bytes, axum::Error>>;
type Reply = FunctionResponse<Whole, Chunks>;

/// How a router is served under Lambda.
pub struct Lambda {
    /// The routes.
    pub router: Router,
    /// What is done after every call, if anything: between calls nothing runs, for the environment is frozen.
    pub settle: Option<Settle>,
    /// Whether the function URL streams (`RESPONSE_STREAM`). An HTTP API never does.
    pub url_streams: bool,
    /// What paths may begin with that is not the router's, such as `/tidegate`: the base paths of custom domains.
    pub base_paths: Vec<String>,
    /// Whether the routes are told the address of the caller.
    pub tells_address: bool,
}

impl Lambda {
    /// Does `start`, then serves events until the environment ends.
    pub async fn run(self, start: BoxFuture<'_, ()>) -> Result<()> {
        let ((), registered) = tokio::join!(start, on_shutdown(self.settle.clone()));
        registered?;
        let lambda = Arc::new(self);
        let serve = service_fn(move |event: LambdaEvent<Event>| {
            let lambda = Arc::clone(&lambda);
            async move { lambda.answer(event).await }
        });
        lambda_runtime::run(serve).await.map_err(|error| Error::internal(format_args!("the runtime failed: {error}")))
    }

    async fn answer(&self, event: LambdaEvent<Event>) -> Result<Reply, lambda_runtime::Error> {
        let deadline = deadline(event.context.deadline);
        let is_streamed = self.url_streams && event.payload.is_of_url();
        let gateway = if is_streamed { Gateway::Streaming } else { Gateway::LAMBDA_BUFFERED };
        let address = event.payload.source_address().filter(|_| self.tells_address);
        let mut request = event.payload.into_request(&self.base_paths).map_err(|error| format!("{error:?}"))?;
        #[cfg(feature = "otlp")]
        telemetry::put_x_ray(request.headers_mut(), event.context.xray_trace_id.as_deref());
        request.extensions_mut().insert(gateway);
        request.extensions_mut().insert(PlatformDeadline(deadline));
        if let Some(address) = address {
            request.extensions_mut().insert(ConnectInfo(CallerAddress(address)));
        }
        // A router never fails: what goes wrong becomes an answer.
        let Ok(response) = self.router.clone().oneshot(request).await;
        let settled = settled_by(self.settle.clone(), deadline);
        if is_streamed { Ok(stream(response, settled)) } else { whole(response, settled).await }
    }
}

fn stream(response: Response, settled: impl Future<Output = ()> + Send + 'static) -> Reply {
    let (parts, body) = response.into_parts();
    let (headers, cookies) = split_cookies(parts.headers);
    // The answer ends, and the environment may be frozen, when there is nothing left to write.
    let settled = stream::once(settled).filter_map(|()| ready(None));
    FunctionResponse::StreamingResponse(StreamResponse {
        metadata_prelude: MetadataPrelude { status_code: parts.status, headers, cookies },
        stream: body.into_data_stream().chain(settled).boxed(),
    })
}

async fn whole(response: Response, settled: impl Future<Output = ()>) -> Result<Reply, lambda_runtime::Error> {
    let (parts, body) = response.into_parts();
    // The edge has seen to it that the body fits.
    let body = to_bytes(body, usize::MAX).await?;
    settled.await;
    Ok(FunctionResponse::BufferedResponse(Whole::new(parts.status.as_u16(), parts.headers, body.into())))
}

/// Settles, but no longer than the answer can wait.
async fn settled_by(settle: Option<Settle>, deadline: Deadline) {
    let Some(settle) = settle else { return };
    let left = deadline.remaining(Instant::now()).saturating_sub(SEND);
    if timeout(left, settle()).await.is_err() {
        tracing::error!("the time of the call passed before everything was written");
    }
}

/// The moment at which Lambda ends the call, which it tells in milliseconds since 1970. cargo-lambda tells how long the call
/// may take; as a moment that would be in January 1970.
fn deadline(told: u64) -> Deadline {
    let told = Duration::from_millis(told);
    let left = match told <= LONGEST_CALL {
        true => told,
        false => (UNIX_EPOCH + told).duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Deadline::after(Instant::now(), left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_told_as_a_moment_or_as_what_is_left() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let left = |told| deadline(told).remaining(Instant::now()).as_secs();
        assert!((50..=60).contains(&left(now + 60_000)) && (50..=60).contains(&left(60_000)));
        assert_eq!(left(now - 1), 0);
    }
}
