//! What can be set of the local server.

use std::{fs, path::Path};

use serde::{Deserialize, de::IgnoredAny};
use tidegate_core::budget::Budget;

use crate::failure::Failure;

/// An environment file. What it leaves out has the value of `config/environments/local.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Environment {
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`.
    pub(crate) log: String,
    /// The limits of every execution; sources, queries and callers narrow them.
    pub(crate) budget: Budget,
    /// How many days an execution stays in the history.
    pub(crate) history_days: u16,
    /// For how many seconds a process may rely on what it read of the registry.
    pub(crate) cache_seconds: u16,
    /// The names in `Host` that the MCP endpoint answers to.
    pub(crate) hosts: Vec<String>,
    /// What Terraform builds; a local server has no use for it.
    deploy: IgnoredAny,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            log: "warn,rmcp=error".to_owned(),
            budget: Budget::default(),
            history_days: 30,
            cache_seconds: 5,
            hosts: ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec(),
            deploy: IgnoredAny,
        }
    }
}

impl Environment {
    /// The environment of a file, or the local one.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::message(format!("cannot read `{}`: {error}", path.display())))?;
        serde_saphyr::from_str(&text).map_err(|error| Failure::message(format!("{}: {error}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_repository_holds_the_defaults() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/environments/local.yaml");
        let read = Environment::read(Some(Path::new(path))).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", Environment::default()));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        fs::write(&path, "log: info\nhistory_dys: 3\n").unwrap();
        let failure = format!("{:?}", Environment::read(Some(&path)).unwrap_err());
        assert!(failure.contains("history_dys") && failure.contains("line 2"), "{failure}");
    }
}
