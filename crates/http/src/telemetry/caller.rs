//! The trace of whoever calls.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header of AWS X-Ray (AWS X-Ray, "Tracing header").
const X_RAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Puts what Lambda tells of the trace of X-Ray into the headers of a request, where a gateway may have put what it knows.
pub(crate) fn put_x_ray(headers: &mut HeaderMap, told: Option<&str>) {
    if let Some(told) = told.and_then(|told| HeaderValue::from_str(told).ok()) {
        headers.insert(X_RAY, told);
    }
}

/// Makes a span, which has just begun, part of the trace that the headers of a request name: by `traceparent` (W3C,
/// "Trace Context"), or by the header of X-Ray.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let x_ray = || headers.get(&X_RAY).and_then(|value| of_x_ray(value.to_str().ok()?));
    if let Some(caller) = of_w3c(headers).or_else(x_ray) {
        // It fails for a span that is in use already, and this one is not.
        let _ = span.set_parent(Context::new().with_remote_span_context(caller));
    }
}

/// The span that `traceparent` names. What a caller writes into `tracestate` would be exported with each of our spans.
fn of_w3c(headers: &HeaderMap) -> Option<SpanContext> {
    let caller = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
    let span = caller.span().span_context().clone();
    span.is_valid().then(|| {
        SpanContext::new(span.trace_id(), span.span_id(), span.trace_flags(), span.is_remote(), TraceState::NONE)
    })
}

/// The span that a header of X-Ray names, such as `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
/// One that X-Ray does not keep is nothing to be part of: without active tracing, Lambda tells every function of such.
fn of_x_ray(header: &str) -> Option<SpanContext> {
    let field = |name: &str| header.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
    if field("Sampled") != Some("1") {
        return None;
    }
    let (time, rest) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
    let trace = TraceId::from_hex(&format!("{time}{rest}")).ok()?;
    let parent = SpanId::from_hex(field("Parent")?).ok()?;
    let span = SpanContext::new(trace, parent, TraceFlags::SAMPLED, true, TraceState::NONE);
    span.is_valid().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn a_span_of_x_ray_is_one_of_the_same_trace() {
        for header in [
            format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"),
            format!("Self=1-2-3; Sampled=1; Parent=53995c3f42cd8ad8; {ROOT};Lineage=1:2:3"),
        ] {
            let span = of_x_ray(&header).unwrap();
            assert_eq!(span.trace_id().to_string(), "5759e988bd862e3fe1be46a994272793");
            assert_eq!(span.span_id().to_string(), "53995c3f42cd8ad8");
            assert!(span.is_sampled() && span.is_remote());
        }
    }

    #[test]
    fn a_header_of_x_ray_that_names_no_span_that_is_kept_is_left() {
        for header in [
            "".to_owned(),
            ROOT.to_owned(),
            format!("{ROOT};Sampled=1"),
            format!("{ROOT};Parent=53995c3f42cd8ad8"),
            format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=0"),
            format!("{ROOT};Parent=0000000000000000;Sampled=1"),
            format!("{ROOT};Parent=53995c3f42cd8adx;Sampled=1"),
            "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1".to_owned(),
            "Root=1-5759e988;Parent=53995c3f42cd8ad8;Sampled=1".to_owned(),
            "Root=1-+759e988-bd862e3fe1be46a99427279é;Parent=53995c3f42cd8ad8;Sampled=1".to_owned(),
        ] {
            assert_eq!(of_x_ray(&header), None, "{header}");
        }
    }
}
