//! What the tasks stand on, and which of them runs.

use std::sync::Arc;

use serde_json::Value as Json;
use tidegate_core::{
    Error, ErrorCode, Result,
    api_key::ApiKey,
    deadline::Deadline,
    ports::{CatalogSnapshots, Clock, Progress, Repository, SourceHealths, Tenants, Vault},
    rotation::RotationRules,
    source::Source,
    task::Task,
    trace::TARGET,
};
use tidegate_engine::Engine;
use tidegate_platform::Platform;
use tracing::{Instrument, field::Empty};

use crate::{catalog_snapshots, inspect::Inspector, key_rotation, order::Order, purge, source_health};

/// The tasks; made once per process.
pub struct Tasks {
    /// The tenants.
    pub tenants: Arc<dyn Tenants>,
    /// Their sources.
    pub sources: Arc<dyn Repository<Source>>,
    /// Their API keys.
    pub keys: Arc<dyn Repository<ApiKey>>,
    /// Their secrets.
    pub vault: Arc<dyn Vault>,
    /// Looks at sources.
    pub inspector: Arc<dyn Inspector>,
    /// Where it is kept whether sources could be reached.
    pub health: Arc<dyn SourceHealths>,
    /// Where it is kept what sources contained.
    pub catalogs: Arc<dyn CatalogSnapshots>,
    /// Where runs go on.
    pub progress: Arc<dyn Progress>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How old credentials may become.
    pub rotation: RotationRules,
    /// How many days an API key that does not work any more is kept.
    pub keep_keys_days: u16,
}

impl Tasks {
    /// The tasks over a platform and its engine.
    pub fn new(platform: &Platform, engine: Arc<Engine>) -> Result<Self> {
        let environment = &platform.environment;
        Ok(Self {
            tenants: Arc::clone(&platform.tenants),
            sources: Arc::clone(&platform.sources),
            keys: Arc::clone(&platform.keys),
            vault: Arc::clone(&platform.secrets()?.vault),
            inspector: engine,
            health: Arc::clone(&platform.source_health),
            catalogs: Arc::clone(&platform.catalogs),
            progress: Arc::clone(&platform.progress),
            clock: Arc::clone(&platform.clock),
            rotation: environment.rotation,
            // The history names the keys of its executions.
            keep_keys_days: environment.keep_keys_days.max(environment.history_days),
        })
    }

    /// Runs the task that an event names, and gives back what it counted. It ends before `deadline`.
    ///
    /// `InvalidRequest` when the event names none, and `Unavailable` when something of it failed; the log says what.
    pub async fn run(&self, event: &Json, deadline: Deadline) -> Result<Json> {
        let order = Order::of(event)?;
        // As OpenTelemetry has it ("Semantic conventions for FaaS spans").
        let span = tracing::info_span!(
            target: TARGET,
            "task",
            otel.kind = "server",
            otel.name = order.task.as_str(),
            otel.status_code = Empty,
            faas.trigger = "timer",
            "error.type" = Empty,
        );
        let outcome = self.execute(order, deadline).instrument(span.clone()).await;
        if let Err(error) = &outcome {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", error.code().as_str());
        }
        outcome
    }

    async fn execute(&self, order: Order, deadline: Deadline) -> Result<Json> {
        let Order { task, dry_run } = order;
        match task {
            Task::SourceHealth => source_health::run(self, deadline).await.and_then(ended),
            Task::CatalogSnapshots => catalog_snapshots::run(self, deadline).await.and_then(ended),
            Task::Purge => purge::run(self, deadline, dry_run).await.and_then(ended),
            Task::KeyRotation => key_rotation::run(self, deadline).await.and_then(ended),
        }
    }
}

/// What a run counted.
pub(crate) trait Counts: serde::Serialize {
    /// How much could not be done because a part of Tidegate failed.
    fn failed(&self) -> usize;
}

fn ended(counts: impl Counts) -> Result<Json> {
    match counts.failed() {
        0 => serde_json::to_value(counts).map_err(Error::internal),
        failed => Err(Error::new(ErrorCode::Unavailable, format!("{failed} failed; the log says which and why"))),
    }
}
