//! A collector of spans: it takes OTLP over HTTP on a port of its own, and tells what it got.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1,
};
use prost::Message;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::PATIENCE;

/// How a collector behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It takes what comes.
    Takes,
    /// It answers 503.
    Refuses,
    /// It never answers.
    Silent,
}

/// A collector, gone when this is dropped.
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be.
    pub endpoint: String,
    kept: Arc<Kept>,
    server: AbortHandle,
}

struct Kept {
    manner: Manner,
    bodies: Mutex<Vec<Bytes>>,
}

/// A span as it came, with its ids in hexadecimal digits.
#[derive(Clone, Debug)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub kind: v1::span::SpanKind,
    pub is_error: bool,
    pub attributes: BTreeMap<String, String>,
    pub nanoseconds: u64,
}

impl Collector {
    /// A collector that takes what comes.
    pub async fn start() -> Self {
        Self::that(Manner::Takes).await
    }

    /// A collector that behaves so.
    pub async fn that(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Kept { manner, bodies: Mutex::default() });
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&kept));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }).abort_handle();
        Self { endpoint, kept, server }
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.kept.bodies.lock().unwrap().len()
    }

    /// Everything that came, as text.
    pub fn text(&self) -> String {
        self.kept.bodies.lock().unwrap().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }

    /// The spans that came, in the order in which they ended.
    pub fn spans(&self) -> Vec<Span> {
        let bodies = self.kept.bodies.lock().unwrap();
        let requests = bodies.iter().map(|body| ExportTraceServiceRequest::decode(&**body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        let mut spans: Vec<Span> = Vec::new();
        for of_one in resources {
            let about = attributes(of_one.resource.unwrap().attributes);
            let scopes = of_one.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(scopes.map(|span| Span::of(span, &about["service.name"])));
        }
        spans
    }

    /// The spans, once there are so many.
    pub async fn all(&self, count: usize) -> Vec<Span> {
        let began = Instant::now();
        loop {
            let spans = self.spans();
            if spans.len() == count {
                return spans;
            }
            let can_come = spans.len() < count && began.elapsed() < PATIENCE;
            assert!(can_come, "{} spans, and not {count}: {spans:#?}", spans.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Span {
    fn of(span: v1::Span, service: &str) -> Self {
        assert!(span.events.is_empty() && span.links.is_empty() && span.trace_state.is_empty(), "{span:?}");
        let kind = span.kind();
        let status = span.status.unwrap_or_default();
        assert_eq!(status.message, "", "what went wrong is for the log");
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            service: service.to_owned(),
            kind,
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            is_error: status.code() == v1::status::StatusCode::Error,
            attributes: attributes(span.attributes),
            nanoseconds: span.end_time_unix_nano.checked_sub(span.start_time_unix_nano).unwrap(),
        }
    }

    /// An attribute; fails when it is not there.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).unwrap_or_else(|| panic!("{name}: {self:#?}"))
    }
}

async fn take(State(kept): State<Arc<Kept>>, headers: axum::http::HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
    kept.bodies.lock().unwrap().push(body);
    match kept.manner {
        Manner::Takes => ([(CONTENT_TYPE, "application/x-protobuf")], Bytes::new()).into_response(),
        Manner::Refuses => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Manner::Silent => std::future::pending().await,
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    pairs.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}
