//! Logs: JSON lines, or a readable format on a terminal. With the feature `otlp` also spans, which a collector is sent.

#[cfg(feature = "otlp")]
mod caller;
#[cfg(feature = "otlp")]
mod otlp;

use std::{env, io::IsTerminal, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tidegate_core::trace::TARGET;
use tokio::time::{MissedTickBehavior, interval};
use tracing::Subscriber;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    prelude::*,
    registry,
    registry::LookupSpan,
};

#[cfg(feature = "otlp")]
pub(crate) use self::caller::{continue_trace, put_x_ray};

/// The variable with the address of a collector (OpenTelemetry, "OTLP exporter configuration").
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How often a process that nobody freezes exports its spans.
const INTERVAL: Duration = Duration::from_secs(1);

type Flush = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What was started.
pub struct Telemetry {
    flush: Option<Flush>,
}

/// Starts logging to standard error, once per process, and exporting spans, if `OTEL_EXPORTER_OTLP_ENDPOINT` names a
/// collector. `wanted` selects what is logged: a level, or a list such as `warn,rmcp=error`. What cannot be read selects
/// warnings.
pub fn start(wanted: &str) -> Telemetry {
    let filter = wanted.parse::<Targets>();
    let is_wrong = filter.is_err();
    let filter = filter.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::WARN));
    let collector = env::var(COLLECTOR).ok().filter(|collector| !collector.is_empty());
    let started = start_with(filter.with_target(TARGET, LevelFilter::OFF), collector.as_deref());
    if is_wrong {
        tracing::warn!(wanted, "what to log cannot be read: write a level, or a list such as `warn,rmcp=error`");
    }
    let flush = started.unwrap_or_else(|reason| {
        tracing::warn!(reason, "no spans are exported, though {COLLECTOR} is set");
        None
    });
    Telemetry { flush }
}

#[cfg(feature = "otlp")]
fn start_with(log: Targets, collector: Option<&str>) -> Result<Option<Flush>, String> {
    match collector.map(otlp::exporter).transpose() {
        Ok(Some((spans, flush))) => {
            registry().with(spans).with(lines().with_filter(log)).init();
            Ok(Some(flush))
        }
        started => {
            registry().with(log).with(lines()).init();
            started.map(|_| None)
        }
    }
}

#[cfg(not(feature = "otlp"))]
fn start_with(log: Targets, collector: Option<&str>) -> Result<Option<Flush>, String> {
    registry().with(log).with(lines()).init();
    match collector {
        None => Ok(None),
        Some(_) => Err("this program was built without the feature `otlp`".to_owned()),
    }
}

/// The lines of the log.
fn lines<S: Subscriber + for<'span> LookupSpan<'span>>() -> Box<dyn Layer<S> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        lines.with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    }
}

impl Telemetry {
    /// Whether spans are exported.
    pub fn exports(&self) -> bool {
        self.flush.is_some()
    }

    /// Exports the spans that have ended, and waits for that, for 150 ms at most. A collector that fails gets no others
    /// for 30 seconds.
    pub async fn flush(&self) {
        if let Some(flush) = &self.flush {
            flush().await;
        }
    }

    /// Exports spans every second from now on, in a process that nobody freezes. It must be called inside a Tokio
    /// runtime, with which it ends.
    pub fn export_regularly(&self) {
        let Some(flush) = self.flush.clone() else { return };
        tokio::spawn(async move {
            let mut ticks = interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                flush().await;
            }
        });
    }
}
