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
    /// What is tidegate's own.
    reserved: Vec<PathBuf>,
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
    /// Fails with `InvalidRequest` when the file is, or would be, outside the folder that confines it, or is tidegate's own.
    pub(super) fn new(file: &SqliteFile, config: &ConnectorConfig) -> Result<Self> {
        if file.path.is_empty() {
            return Err(Error::new(ErrorCode::InvalidRequest, "`path` is empty: name a sqlite file"));
        }
        let location = Self {
            given: file.path.clone(),
            path: config.sqlite_root.join(&file.path),
            confined_to: config.sqlite_confined.then(|| config.sqlite_root.clone()),
            reserved: config.sqlite_reserved.clone(),
        };
        // A file that is missing today may come later; one that is outside, or tidegate's own, never may.
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
        let file = FileId::of(&metadata);
        if self.reserved.iter().any(|reserved| is_or_holds(reserved, &resolved, file)) {
            return Err(self.own());
        }
        // Opening a pipe or a device could block or worse.
        if !metadata.is_file() {
            return Err(self.unavailable("is not a file"));
        }
        Ok((resolved, file))
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

    fn own(&self) -> Error {
        Error::new(ErrorCode::InvalidRequest, format!("`{}` is a file of tidegate itself: name another", self.given))
    }
}

/// Whether a resolved path is that of `reserved` or of something in it, or is another name of the same file. What is not
/// there now may be later.
fn is_or_holds(reserved: &Path, resolved: &Path, file: FileId) -> bool {
    fs::canonicalize(reserved).is_ok_and(|path| {
        resolved.starts_with(&path) || fs::metadata(&path).is_ok_and(|metadata| FileId::of(&metadata) == file)
    })
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

    #[cfg(unix)]
    #[test]
    fn no_name_leads_to_a_file_of_tidegate() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [own, free] = ["own", "free"].map(|name| root.path().join(name));
        fs::create_dir(root.path().join("vault")).unwrap();
        for path in [&own, &free, &root.path().join("vault/secret")] {
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(&own, elsewhere.path().join("symbolic")).unwrap();
        std::os::unix::fs::symlink(root.path(), elsewhere.path().join("folder")).unwrap();
        fs::hard_link(&own, root.path().join("hard")).unwrap();
        let config = ConnectorConfig {
            sqlite_root: root.path().to_owned(),
            sqlite_reserved: ["own", "vault", "later"].map(|name| root.path().join(name)).to_vec(),
            ..ConnectorConfig::default()
        };
        let located = |path: &Path| {
            let file = SqliteFile { path: path.to_str().unwrap().to_owned(), max_sessions: 1 };
            Location::new(&file, &config)
        };
        for path in ["own", "./own", "vault/../own", "hard", "vault/secret", "vault"].map(Path::new) {
            let error = located(path).map(|_| ()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{path:?}");
            assert!(error.message().ends_with("is a file of tidegate itself: name another"), "{error}");
        }
        for path in [own, elsewhere.path().join("symbolic"), elsewhere.path().join("folder/own")] {
            assert_eq!(located(&path).map(|_| ()).unwrap_err().code(), ErrorCode::InvalidRequest, "{path:?}");
        }
        located(&free).unwrap().resolve().unwrap();
        // A name that leads there later, and a file that is tidegate's only later.
        for name in ["free", "later"] {
            let turned = located(Path::new(name)).unwrap();
            let _ = fs::remove_file(root.path().join(name));
            fs::hard_link(root.path().join("own"), root.path().join(name)).unwrap();
            assert_eq!(turned.resolve().unwrap_err().code(), ErrorCode::InvalidRequest, "{name}");
        }
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
