//! Files and folders that only their owner may read.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use tidegate_core::{Error, ErrorCode, Result};

/// Makes a folder for its owner alone when there is none. One that others may write in is refused: they could put
/// files of their own in place of ours.
pub(crate) fn create_directory(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| fault("make", path, &error))?;
    let mode = mode(path)?;
    if mode & 0o022 != 0 {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("others may write in {}: run `chmod 700 {0}`, or choose another folder", path.display()),
        ));
    }
    Ok(())
}

/// Opens a file for reading and writing, and makes it for its owner alone when there is none.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| fault("open", path, &error))
}

/// Writes a file that is there completely or not at all, whatever happens meanwhile.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    // The process holds the folder's lock and no path is written twice at once, so the name need not be random.
    let unfinished = path.with_extension("unfinished");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Whether anyone but its owner may read or write a file.
pub(crate) fn readable_by_others(path: &Path) -> Result<bool> {
    Ok(mode(path)? & 0o077 != 0)
}

fn mode(path: &Path) -> Result<u32> {
    fs::metadata(path).map(|metadata| metadata.permissions().mode()).map_err(|error| fault("read", path, &error))
}

/// The error of a file operation while a folder is opened, named by its verb. It tells the path, so it is for who
/// starts the process and not for callers.
pub(crate) fn fault(verb: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorCode::Unavailable, format!("cannot {verb} {}: {error}", path.display()))
}
