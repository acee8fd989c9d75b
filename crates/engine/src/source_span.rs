//! The span of one call on a source. What the call says and what comes back is not in it.

use tidegate_core::{Result, source::SourceKind, trace::TARGET};
use tracing::{Instrument, Span, field::Empty};

/// A span with the attributes of a database client's (OpenTelemetry, "Semantic conventions for database client spans").
pub(crate) struct SourceSpan(Span);

impl SourceSpan {
    /// Begins the span of a call on a source of this kind.
    pub(crate) fn begin(kind: SourceKind) -> Self {
        Self(tracing::info_span!(
            target: TARGET,
            "source",
            otel.kind = "client",
            otel.name = system(kind),
            otel.status_code = Empty,
            db.system.name = system(kind),
            "error.type" = Empty,
        ))
    }

    /// Makes the call within the span.
    pub(crate) async fn over<T>(self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let outcome = self.around(call).await;
        self.end(&outcome);
        outcome
    }

    /// The call within the span, which does not know how it ends.
    pub(crate) fn around<F: Future>(&self, call: F) -> impl Future<Output = F::Output> + use<F> {
        call.instrument(self.0.clone())
    }

    /// Says how the call ended.
    pub(crate) fn end<T>(self, outcome: &Result<T>) {
        if let Err(error) = outcome {
            self.0.record("otel.status_code", "ERROR");
            self.0.record("error.type", error.code().as_str());
        }
    }
}

const fn system(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Postgres => "postgresql",
        SourceKind::Mysql => "mysql",
        SourceKind::Sqlite => "sqlite",
    }
}
