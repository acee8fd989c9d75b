//! What the other commands and scripts need to know of a local server: `dev.json` in its data folder.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use tidegate_core::{Error, ErrorCode, Result};

use super::{demo::SERVER, owner::TENANT};

/// The facts of a running local server.
#[derive(Deserialize, Serialize)]
pub(super) struct Record {
    /// Its address, without a slash at the end.
    pub(super) base_url: String,
    /// The MCP endpoint of the demo server.
    pub(super) mcp_url: String,
    /// The owner's key.
    #[serde(serialize_with = "exposed")]
    pub(super) api_key: SecretString,
    /// The name of the demo tenant.
    pub(super) tenant: String,
    /// The process.
    pub(super) pid: u32,
}

/// The file has mode 0600, and is the one place the key is written to.
fn exposed<S: Serializer>(key: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose_secret())
}

impl Record {
    pub(super) fn new(base: &Url, key: &SecretString) -> Self {
        let base_url = base.as_str().trim_end_matches('/').to_owned();
        Self {
            mcp_url: format!("{base_url}/t/{TENANT}/mcp/{SERVER}"),
            base_url,
            api_key: key.clone(),
            tenant: TENANT.to_owned(),
            pid: std::process::id(),
        }
    }

    /// The file in a data folder.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join("dev.json")
    }

    /// What an earlier start wrote down. A file that cannot be read counts as none: it is written again.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(folder)).ok()?).ok()
    }

    /// Writes it down so that a reader sees the old file or the new one, never a part.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        let fault = |error: std::io::Error| {
            Error::new(ErrorCode::Unavailable, format!("cannot write `{}`: {error}", path.display()))
        };
        let text = serde_json::to_vec_pretty(self).map_err(Error::internal)?;
        let temporary = folder.join(".dev.json");
        let _ = fs::remove_file(&temporary);
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(fault)?;
        file.write_all(&text).map_err(fault)?;
        file.write_all(b"\n").map_err(fault)?;
        fs::rename(&temporary, &path).map_err(fault)
    }
}
