//! What an event asks for.

use serde::Deserialize;
use serde_json::Value as Json;
use tidegate_core::{Error, ErrorCode, Result, task::Task};

/// What an event asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// What is done.
    pub(crate) task: Task,
    /// Whether what would be removed is counted only.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl Order {
    /// What an event of EventBridge Scheduler asks for, which is the order itself, or of EventBridge, which wraps it.
    /// `InvalidRequest` when it asks for nothing that there is.
    pub(crate) fn of(event: &Json) -> Result<Self> {
        let order = event.get("detail").unwrap_or(event);
        let fault = |what: &dyn std::fmt::Display| {
            let message = format!("the event must name a task, such as {{\"task\": \"source_health\"}}: {what}");
            Error::new(ErrorCode::InvalidRequest, message)
        };
        // Serde would take a list for the fields in their order.
        if !order.is_object() {
            return Err(fault(&"this is no object"));
        }
        let read = Self::deserialize(order).map_err(|error| fault(&error))?;
        if read.task != Task::Purge && order.get("dry_run").is_some() {
            return Err(fault(&"only `purge` has a `dry_run`"));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_names_a_task() {
        for (event, task, dry_run) in [
            (json!({"task": "source_health"}), Task::SourceHealth, false),
            (json!({"task": "catalog_snapshots"}), Task::CatalogSnapshots, false),
            (json!({"task": "purge"}), Task::Purge, false),
            (json!({"task": "purge", "dry_run": true}), Task::Purge, true),
            (
                json!({"version": "0", "source": "ops", "detail-type": "x", "detail": {"task": "key_rotation"}}),
                Task::KeyRotation,
                false,
            ),
        ] {
            assert_eq!(Order::of(&event).unwrap(), Order { task, dry_run }, "{event}");
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
            (json!(["purge", true]), "the event must name a task"),
            (json!({"detail": "purge"}), "the event must name a task"),
            (json!({"task": "purge", "dryrun": true}), "`dryrun`"),
            (json!({"task": "key_rotation", "dry_run": true}), "`dry_run`"),
        ] {
            let error = Order::of(&event).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().contains(part), "{event}: {error}");
        }
    }
}
