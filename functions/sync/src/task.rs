//! Which task an event names.

use serde::Deserialize;
use serde_json::Value as Json;
use tidegate_core::{Error, ErrorCode, Result};

/// What can be asked of this function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Task {
    /// Whether sources can be reached.
    SourceHealth {},
    /// What sources contain.
    CatalogSnapshots {},
    /// Removing what nothing needs any more.
    Purge {
        /// Whether it is counted only.
        #[serde(default)]
        dry_run: bool,
    },
    /// Which credentials should be replaced.
    KeyRotation {},
}

impl Task {
    /// The task of an event of EventBridge Scheduler, which is the task itself, or of EventBridge, which wraps it.
    /// `InvalidRequest` when there is none.
    pub(crate) fn of(event: &Json) -> Result<Self> {
        Self::deserialize(event.get("detail").unwrap_or(event)).map_err(|error| {
            Error::new(
                ErrorCode::InvalidRequest,
                format!("the event must name a task, such as {{\"task\": \"source_health\"}}: {error}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_names_a_task() {
        for (event, task) in [
            (json!({"task": "source_health"}), Task::SourceHealth {}),
            (json!({"task": "catalog_snapshots"}), Task::CatalogSnapshots {}),
            (json!({"task": "purge"}), Task::Purge { dry_run: false }),
            (json!({"task": "purge", "dry_run": true}), Task::Purge { dry_run: true }),
            (
                json!({"version": "0", "source": "ops", "detail-type": "x", "detail": {"task": "key_rotation"}}),
                Task::KeyRotation {},
            ),
        ] {
            assert_eq!(Task::of(&event).unwrap(), task, "{event}");
        }
    }

    #[test]
    fn another_event_is_an_error_that_says_what_is_wrong() {
        for (event, part) in [
            (json!({"task": "purges"}), "`source_health`, `catalog_snapshots`, `purge`, `key_rotation`"),
            (json!({"task": "purges"}), "`purges`"),
            (json!({}), "`task`"),
            (json!(null), "the event must name a task"),
            (json!([1]), "the event must name a task"),
            (json!({"detail": "purge"}), "the event must name a task"),
            (json!({"task": "purge", "dryrun": true}), "`dryrun`"),
            (json!({"task": "key_rotation", "dry_run": true}), "`dry_run`"),
        ] {
            let error = Task::of(&event).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().contains(part), "{event}: {error}");
        }
    }
}
