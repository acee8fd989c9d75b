//! The tasks of `sync`, which run on a schedule in this process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tidegate_core::{Result, deadline::Deadline, task::Task};
use tidegate_sync::Tasks;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval_at},
};

/// How long after the start each task runs first.
const FIRST: Duration = Duration::from_secs(60);

/// How long a run may take.
const RUN: Duration = Duration::from_secs(15 * 60);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The seconds from one run of a task to the next.
const fn every(task: Task) -> u64 {
    match task {
        Task::SourceHealth => 5 * MINUTE,
        Task::CatalogSnapshots => 6 * HOUR,
        Task::Purge | Task::KeyRotation => 24 * HOUR,
    }
}

/// Runs the tasks until what it gives back is dropped.
pub(super) fn start(tasks: &Arc<Tasks>) -> JoinSet<()> {
    let mut schedules = JoinSet::new();
    for task in Task::ALL {
        let tasks = Arc::clone(tasks);
        schedules.spawn(async move {
            let mut ticks = interval_at(tokio::time::Instant::now() + FIRST, Duration::from_secs(every(task)));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = run(&tasks, &json!({"task": task})).await {
                    tracing::error!(task = task.as_str(), ?error, "the task failed");
                }
            }
        });
    }
    schedules
}

/// Runs the task that an event names.
pub(super) async fn run(tasks: &Tasks, event: &Json) -> Result<Json> {
    tasks.run(event, Deadline::after(Instant::now(), RUN)).await
}
