//! Where is the file, and may it be opened?

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use tidegate_core::{Error, ErrorCode, Result, source::SqliteFile};

use crate::ConnectorConfig;

/// The place of a database file.
pub(super) struct Location {
    /// The path as the user gave it; messages name the file by it.
    given: String,
    /// The path from the folder relative paths begin at.
    path: PathBuf,
    /// The folder the file has to be inside.
    confined_to: Option<PathBuf>,
}

/// Tells one file on disk from another that took its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

impl FileId {
    #[cfg(unix)]
    fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    fn of(metadata: &fs::Metadata) -> Self {
        Self { created: metadata.created().ok() }
    }
}

impl Location {
    /// Fails with `InvalidRequest` when the file is, or would be, outside the folder that confines it.
    pub(super) fn new(file: &SqliteFile, config: &ConnectorConfig) -> Result<Self> {
        if file.path.is_empty() {
            return Err(Error::new(ErrorCode::InvalidRequest, "`path` is empty: name a sqlite file"));
        }
        let location = Self {
            given: file.path.clone(),
            path: config.sqlite_root.join(&file.path),
            confined_to: config.sqlite_confined.then(|| config.sqlite_root.clone()),
        };
        // A file that is missing today may come later; one that is outside never may.
        match location.resolve() {
            Err(error) if error.code() == ErrorCode::InvalidRequest => Err(error),
            _ => Ok(location),
        }
    }

    /// Which file has this name at the moment.
    pub(super) fn current(&self) -> Result<FileId> {
        fs::metadata(&self.path).map(|metadata| FileId::of(&metadata)).map_err(|error| self.unreadable(&error))
    }

    /// The path of the file with every link resolved. Links are checked each time, for they may be turned.
    pub(super) fn resolve(&self) -> Result<(PathBuf, FileId)> {
        if let Some(root) = &self.confined_to
            && !without_dots(&self.path).starts_with(without_dots(root))
        {
            return Err(self.outside());
        }
        let resolved = fs::canonicalize(&self.path).map_err(|error| self.unreadable(&error))?;
        if let Some(root) = &self.confined_to {
            let root = fs::canonicalize(root).map_err(|error| self.unreadable(&error))?;
            if !resolved.starts_with(root) {
                return Err(self.outside());
            }
        }
        let metadata = fs::metadata(&resolved).map_err(|error| self.unreadable(&error))?;
        // Opening a pipe or a device could block or worse.
        if !metadata.is_file() {
            return Err(self.unavailable("is not a file"));
        }
        Ok((resolved, FileId::of(&metadata)))
    }

    /// The file cannot serve; `why` goes on after its name.
    pub(super) fn unavailable(&self, why: &str) -> Error {
        Error::new(ErrorCode::SourceUnavailable, format!("`{}` {why}", self.given))
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "does not exist: put the file there or correct the path of the source",
            io::ErrorKind::PermissionDenied => "may not be read by tidegate: change its permissions",
            _ => "cannot be opened: check the path of the source",
        };
        self.unavailable(why).with_context(error)
    }

    fn outside(&self) -> Error {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("`{}` is outside the folder that sqlite files are allowed in", self.given),
        )
    }
}

/// The path with `.` and `..` taken out by their text, which works for files that do not exist too.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confined(root: &Path, path: &str) -> Result<Location> {
        let config =
            ConnectorConfig { sqlite_root: root.to_owned(), sqlite_confined: true, ..ConnectorConfig::default() };
        Location::new(&SqliteFile { path: path.into(), max_sessions: 1 }, &config)
    }

    #[test]
    fn a_confined_file_is_inside_whether_it_exists_or_not() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("here"), "").unwrap();
        for inside in ["here", "later", "./here", "a/../here"] {
            assert!(confined(root.path(), inside).is_ok(), "{inside}");
        }
        for outside in ["../x", "/etc/passwd", "a/../../x", "../../../../etc/passwd", ""] {
            let error = confined(root.path(), outside).map(|_| ()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{outside}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("secret"), "").unwrap();
        fs::write(root.path().join("here"), "").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        link(&elsewhere.path().join("secret"), "file");
        link(elsewhere.path(), "folder");
        link(&root.path().join("here"), "inside");
        for outside in ["file", "folder/secret"] {
            let error = confined(root.path(), outside).map(|_| ()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{outside}");
        }
        let location = confined(root.path(), "inside").unwrap();
        assert_eq!(location.resolve().unwrap().1, location.current().unwrap());

        let turned = confined(root.path(), "here").unwrap();
        fs::remove_file(root.path().join("here")).unwrap();
        link(&elsewhere.path().join("secret"), "here");
        assert_eq!(turned.resolve().unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn what_is_not_a_file_is_unavailable() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        for (path, why) in [("folder", "`folder` is not a file"), ("gone", "`gone` does not exist")] {
            let error = confined(root.path(), path).unwrap().resolve().unwrap_err();
            assert_eq!(error.code(), ErrorCode::SourceUnavailable);
            assert!(error.message().starts_with(why), "{error}");
        }
    }
}
