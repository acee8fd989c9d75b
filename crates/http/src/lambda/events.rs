//! Serving events that are no requests, such as those of a schedule, under the AWS Lambda runtime.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value as Json;
use tidegate_core::{Error, Result};
use tracing::Instrument;

use super::{Settle, deadline, shutdown::on_shutdown};
use crate::request_timeout::PlatformDeadline;

/// Answers an event. Lambda gives the answer, or the error, to whoever invoked the function, and does not go on before.
pub type EventHandler = Arc<dyn Fn(Json, PlatformDeadline) -> BoxFuture<'static, Result<Json>> + Send + Sync>;

/// Does `start`, then serves events until the environment ends, and has `settle` done before that. An error is an error
/// of the invocation, because nobody reads an answer with a status, and one line of the log.
pub async fn serve_events(handle: EventHandler, start: BoxFuture<'_, ()>, settle: Option<Settle>) -> Result<()> {
    let ((), registered) = tokio::join!(start, on_shutdown(settle));
    registered?;
    let serve = service_fn(move |event: LambdaEvent<Json>| {
        let request_id = event.context.request_id;
        // It is part of every line, also where only errors are logged.
        let span = tracing::error_span!("event", %request_id);
        let answer = handle(event.payload, PlatformDeadline(deadline(event.context.deadline)));
        async move { answer.await.map_err(|error| Failed { error, request_id }) }.instrument(span)
    });
    lambda_runtime::run(serve).await.map_err(|error| Error::internal(format_args!("the runtime failed: {error}")))
}

/// The error of an event. The runtime logs it as it stands here, with its context and outside the span of the event, and
/// gives Lambda what it becomes.
struct Failed {
    error: Error,
    request_id: String,
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event {} failed: {:?}", self.request_id, self.error)
    }
}

impl From<Failed> for Diagnostic {
    fn from(Failed { error, .. }: Failed) -> Self {
        Self { error_type: error.code().to_string(), error_message: error.message().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::ErrorCode;

    use super::*;

    #[test]
    fn the_context_of_an_error_is_for_the_log_only() {
        let error = Error::new(ErrorCode::Unavailable, "the store cannot be reached").with_context("10.0.0.7");
        let failed = Failed { error, request_id: "call-1".to_owned() };
        let logged = format!("{failed:?}");
        assert!(logged.contains("10.0.0.7") && logged.contains("call-1"), "{logged}");
        let told = Diagnostic::from(failed);
        assert_eq!((&*told.error_type, &*told.error_message), ("unavailable", "the store cannot be reached"));
    }
}
