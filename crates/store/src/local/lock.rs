//! One process at a time in a data folder.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::Path,
};

use tidegate_core::{Error, ErrorCode, Result};

use super::files::{fault, open_or_create};

/// Holds a data folder until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder. `Unavailable` when another process has it.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("lock");
        let mut file = open_or_create(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(folder, &path)),
            Err(TryLockError::Error(error)) => return Err(fault("lock", &path, &error)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| fault("write", &path, &error))?;
        Ok(Self { _file: file })
    }
}

fn held(folder: &Path, path: &Path) -> Error {
    let holder = fs::read_to_string(path).unwrap_or_default();
    let holder = match holder.trim() {
        "" => "another process".to_owned(),
        id => format!("process {id}"),
    };
    Error::new(
        ErrorCode::Unavailable,
        format!("{holder} is using the data folder {}: stop it, or choose another folder", folder.display()),
    )
}
