//! What is done on a schedule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is done on a schedule. `functions/sync` does it, and an environment file says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Whether sources can be reached.
    SourceHealth,
    /// What sources contain.
    CatalogSnapshots,
    /// Removing what nothing needs any more.
    Purge,
    /// Which credentials should be replaced.
    KeyRotation,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 4] = [Self::SourceHealth, Self::CatalogSnapshots, Self::Purge, Self::KeyRotation];

    /// The word in events, settings and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceHealth => "source_health",
            Self::CatalogSnapshots => "catalog_snapshots",
            Self::Purge => "purge",
            Self::KeyRotation => "key_rotation",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_and_written_as_its_word() {
        for task in Task::ALL {
            assert_eq!(serde_json::to_value(task).unwrap(), task.as_str());
            assert_eq!(serde_json::from_value::<Task>(task.as_str().into()).unwrap(), task);
        }
    }
}
