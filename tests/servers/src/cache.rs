//! What is kept between runs, and what processes of one user share.

use std::{env, fs, path::PathBuf};

use crate::programs::is_root;

/// A folder of this user alone, which outlives the build and which the user whom servers run as may read. It is made first
/// where it has to be.
pub(crate) fn cache() -> PathBuf {
    let parent = match env::var_os("XDG_CACHE_HOME") {
        _ if is_root() => PathBuf::from("/var/cache"),
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache"),
    };
    let folder = parent.join("test-servers");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
    folder
}
