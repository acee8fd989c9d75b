//! The environment file: what can be set of a deployment.

pub mod deploy;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tidegate_core::{Error, ErrorCode, Result, budget::Budget};

use self::deploy::Deploy;

/// An environment file. What it leaves out has the value of `config/environments/local.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// The limits of every execution; sources, queries and callers narrow them.
    pub budget: Budget,
    /// How many days an execution stays in the history.
    pub history_days: u16,
    /// For how many seconds a process may rely on what it read of the registry.
    pub cache_seconds: u16,
    /// The names in `Host` that the MCP endpoint answers to.
    pub hosts: Vec<String>,
    /// What paths begin with behind a custom domain, such as `/tidegate`.
    pub base_paths: Vec<String>,
    /// The folder that SQLite files of a deployment are in. No other file can be a source.
    pub sqlite_folder: PathBuf,
    /// What Terraform builds. A function is not told of it, and a local server has no use for it.
    pub deploy: Option<Deploy>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            log: Self::DEFAULT_LOG.to_owned(),
            budget: Budget::default(),
            history_days: 30,
            cache_seconds: 5,
            hosts: ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec(),
            base_paths: Vec::new(),
            sqlite_folder: PathBuf::from("/var/task/data"),
            deploy: None,
        }
    }
}

impl Environment {
    /// What is logged unless something else is set.
    pub const DEFAULT_LOG: &'static str = "warn,rmcp=error";

    /// The environment of a file. `InvalidRequest` names the file, the line and the key that is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let fault =
            |what: &dyn std::fmt::Display| Error::new(ErrorCode::InvalidRequest, format!("{}: {what}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| fault(&error))?;
        Self::parse(&text).map_err(|error| fault(&error.message()))
    }

    /// The environment that a text holds, in YAML or JSON.
    pub fn parse(text: &str) -> Result<Self> {
        let environment: Self =
            serde_saphyr::from_str(text).map_err(|error| Error::new(ErrorCode::InvalidRequest, error.to_string()))?;
        environment.deploy.iter().try_for_each(Deploy::check)?;
        Ok(environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_repository_holds_the_defaults() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/environments/local.yaml");
        let read = Environment::read(Path::new(path)).unwrap();
        assert_eq!(Environment { deploy: None, ..read }, Environment::default());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        fs::write(&path, "log: info\nhistory_dys: 3\n").unwrap();
        let error = Environment::read(&path).unwrap_err();
        assert!(error.message().contains("history_dys") && error.message().contains("line 2"), "{error}");
    }
}
