//! The Runtime API and the Extensions API of one environment.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::StreamExt;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::AbortHandle,
};

use super::Outcome;

pub(super) struct RuntimeApi {
    pub(super) address: String,
    events: mpsc::UnboundedSender<Invocation>,
    outcomes: mpsc::UnboundedReceiver<(String, Outcome)>,
    asked: mpsc::UnboundedReceiver<()>,
    is_idle: bool,
    count: u64,
    server: AbortHandle,
}

struct Invocation {
    id: String,
    event: String,
    deadline_ms: u128,
}

/// What the routes hold of it.
struct Served {
    events: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    outcomes: mpsc::UnboundedSender<(String, Outcome)>,
    asked: mpsc::UnboundedSender<()>,
}

impl RuntimeApi {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, to_hand_out) = mpsc::unbounded_channel();
        let (outcomes_sent, outcomes) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::unbounded_channel();
        let served = Served { events: Mutex::new(to_hand_out), outcomes: outcomes_sent, asked: asks };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(outcome))
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(pending::<()>))
            .with_state(Arc::new(served));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }).abort_handle();
        Self { address, events, outcomes, asked, is_idle: false, count: 0, server }
    }

    /// Waits until the function asks for an event.
    pub(super) async fn idle(&mut self) {
        if !self.is_idle {
            self.asked.recv().await.unwrap();
            self.is_idle = true;
        }
    }

    /// Hands out an event, and gives back the outcome as soon as it begins to come.
    pub(super) async fn invoke(&mut self, event: String, time: Duration) -> Outcome {
        self.idle().await;
        self.is_idle = false;
        self.count += 1;
        let id = format!("call-{}", self.count);
        let deadline_ms = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap().as_millis();
        self.events.send(Invocation { id: id.clone(), event, deadline_ms }).unwrap();
        let (answered, outcome) = self.outcomes.recv().await.unwrap();
        assert_eq!(answered, id, "the function answered another call");
        outcome
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(served): State<Arc<Served>>) -> Response {
    // When nobody listens the environment is being dropped.
    let _ = served.asked.send(());
    let Some(Invocation { id, event, deadline_ms }) = served.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:f".to_owned()),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1".to_owned(),
        ),
    ];
    (headers, event).into_response()
}

async fn outcome(
    State(served): State<Arc<Served>>,
    Path((id, outcome)): Path<(String, String)>,
    request: Request,
) -> StatusCode {
    let mode = request.headers().get("lambda-runtime-function-response-mode");
    let (parts, received) = mpsc::unbounded_channel();
    let is_streamed = mode.is_some_and(|mode| mode == "streaming");
    let begun = Outcome { is_failure: outcome != "response", is_streamed, parts: received };
    served.outcomes.send((id, begun)).unwrap();
    let mut body = Body::into_data_stream(request.into_body());
    // Lambda reads an answer to its end, also when nobody waits for it any more.
    while let Some(Ok(part)) = body.next().await {
        let _ = parts.send(part.to_vec());
    }
    StatusCode::ACCEPTED
}

async fn register() -> impl IntoResponse {
    let body = json!({"functionName": "function", "functionVersion": "1", "handler": "bootstrap"});
    ([("lambda-extension-identifier", "00000000-0000-0000-0000-000000000001")], Json(body))
}
