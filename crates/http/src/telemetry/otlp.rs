//! Spans to a collector, by OTLP over HTTP.
//!
//! The processors of the SDK export in a thread of their own, by a timer. A function has no time but that of its calls, so
//! here spans are kept until somebody has them flushed.

use std::{
    env, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{Uri, uri::Scheme};
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
use opentelemetry::{Context, trace::TracerProvider};
use opentelemetry_http::{HttpClient, hyper::HyperClient};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tidegate_core::trace::TARGET;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
};

use super::{COLLECTOR, Flush};

/// The variable with the name that the spans come by.
const SERVICE: &str = "OTEL_SERVICE_NAME";

/// The most spans that are kept for an export. Those beyond are lost.
const MOST: usize = 2048;

/// How long a collector may take. Less than is kept of a call's time for what comes after it, whatever the call does.
const PATIENCE: Duration = Duration::from_millis(150);

/// For how long a collector that failed is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// The layer that makes spans, and what exports those that have ended. Says what is wrong with the address otherwise.
pub(super) fn exporter(collector: &str) -> Result<(impl Layer<Registry> + use<>, Flush), String> {
    let (tracer, way) = way(collector)?;
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_context_activation(false)
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // No events: the log has them, with context that is for nobody else.
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO));
    let way = Arc::new(way);
    let flush: Flush = Arc::new(move || {
        let way = Arc::clone(&way);
        Box::pin(async move { way.flush().await })
    });
    Ok((spans, flush))
}

/// What makes spans, and their way to the collector.
fn way(collector: &str) -> Result<(SdkTracer, Way), String> {
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(traces(collector))
        .with_http_client(client(collector)?)
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| error.to_string())?;
    let resource = resource();
    exporter.set_resource(&resource);
    let ended = Ended::default();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_span_processor(ended.clone()).build();
    Ok((provider.tracer("tidegate"), Way { ended, exporter, failed_at: Mutex::default() }))
}

/// Where a collector takes spans.
fn traces(collector: &str) -> String {
    format!("{}/v1/traces", collector.trim_end_matches('/'))
}

fn resource() -> Resource {
    let resource = Resource::builder();
    match env::var_os(SERVICE) {
        Some(_) => resource.build(),
        None => resource.with_service_name("tidegate").build(),
    }
}

fn client(collector: &str) -> Result<impl HttpClient + 'static, String> {
    let address: Uri = collector.parse().map_err(|_| wrong())?;
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    // Reading the system's authorities takes as long as all else of a start.
    let tls = match address.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => tls.with_native_roots().map_err(|error| error.to_string())?,
        Some(scheme) if *scheme == Scheme::HTTP => tls.with_root_certificates(RootCertStore::empty()),
        _ => return Err(wrong()),
    };
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls.with_no_client_auth()).https_or_http().enable_http1().build();
    Ok(HyperClient::new(connector, PATIENCE, None))
}

fn wrong() -> String {
    format!("{COLLECTOR} must be an address such as http://localhost:4318")
}

/// The spans that have ended and are not exported yet.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl Ended {
    fn lock(&self) -> MutexGuard<'_, Vec<SpanData>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let mut spans = self.lock();
        if spans.len() < MOST {
            spans.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The way of spans to the collector.
struct Way {
    ended: Ended,
    exporter: SpanExporter,
    /// When the collector failed, if it did so at last.
    failed_at: Mutex<Option<Instant>>,
}

impl Way {
    async fn flush(&self) {
        let spans = mem::take(&mut *self.ended.lock());
        if spans.is_empty() || self.failed_at().is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        let exported = self.exporter.export(spans).await;
        let failed_at = exported.is_err().then(Instant::now);
        let failed_before = mem::replace(&mut *self.failed_at(), failed_at);
        match exported {
            Ok(()) if failed_before.is_some() => tracing::info!("spans are exported again"),
            Err(error) if failed_before.is_none() => tracing::warn!(
                %error,
                "spans are lost: a collector has to listen where {COLLECTOR} says, and to answer within {PATIENCE:?}"
            ),
            _ => {}
        }
    }

    fn failed_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use axum::{Router, http::StatusCode, routing::post};
    use opentelemetry::trace::{Span as _, Tracer};
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Default)]
    struct Collector {
        works: AtomicBool,
        requests: AtomicUsize,
    }

    async fn collector() -> (Arc<Collector>, String) {
        let collector = Arc::new(Collector::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let told = Arc::clone(&collector);
        let take = async move || {
            told.requests.fetch_add(1, Ordering::SeqCst);
            if told.works.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
        };
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, address)
    }

    #[tokio::test]
    async fn a_collector_that_failed_is_left_alone_for_a_while_and_tried_again() {
        let (collector, address) = collector().await;
        let (tracer, way) = way(&address).unwrap();
        for _ in 0..3 {
            tracer.start("span").end();
            way.flush().await;
        }
        assert_eq!(collector.requests.load(Ordering::SeqCst), 1);
        assert!(way.ended.lock().is_empty(), "what the collector did not get is kept");

        collector.works.store(true, Ordering::SeqCst);
        *way.failed_at() = Instant::now().checked_sub(PAUSE);
        for requests in [2, 3] {
            tracer.start("span").end();
            way.flush().await;
            assert_eq!(collector.requests.load(Ordering::SeqCst), requests);
            assert_eq!(*way.failed_at(), None);
        }
        way.flush().await;
        assert_eq!(collector.requests.load(Ordering::SeqCst), 3, "nothing was sent");
    }

    #[tokio::test]
    async fn no_more_spans_are_kept_than_can_be_sent() {
        let (tracer, way) = way("http://127.0.0.1:1").unwrap();
        for _ in 0..MOST + 5 {
            tracer.start("span").end();
        }
        assert_eq!(way.ended.lock().len(), MOST);
    }

    #[test]
    fn a_collector_is_reached_with_tls_or_without() {
        for right in ["http://localhost:4318", "https://otel.example.com/a/"] {
            assert!(way(right).is_ok(), "{right}");
        }
        for wrong in ["", "localhost:4318", "/v1/traces", "ftp://localhost", "http://", "http://a b"] {
            let reason = way(wrong).err().unwrap();
            assert!(reason.contains("http://localhost:4318"), "{wrong}: {reason}");
        }
    }
}
