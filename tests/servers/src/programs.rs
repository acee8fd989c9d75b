//! Finds a server's programs and installs them where they are missing.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::cache::cache;

/// Debian packages and the programs they give.
pub(crate) struct Packages {
    pub(crate) names: &'static [&'static str],
    pub(crate) programs: &'static [&'static str],
}

impl Packages {
    /// A `PATH` on which all the programs are; they are installed first where that has to be.
    pub(crate) fn path(&self, url_variable: &str) -> OsString {
        self.find().unwrap_or_else(|| {
            // Several test processes may come here at once; one installs and the others find what it installed.
            let lock = File::create(cache().join("install.lock")).expect("cannot create a lock file");
            lock.lock().expect("cannot lock a file");
            if self.find().is_none() {
                self.install(url_variable);
            }
            self.find().unwrap_or_else(|| panic!("the packages {:?} lack one of {:?}", self.names, self.programs))
        })
    }

    fn find(&self) -> Option<OsString> {
        let folders = search_folders();
        let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
        let all = self.programs.iter().all(|program| is_there(program));
        all.then(|| env::join_paths(&folders).expect("folders taken from a PATH"))
    }

    fn install(&self, url_variable: &str) {
        let log_path = cache().join("install.log");
        let log = File::create(&log_path).expect("cannot create a log file");
        let mut command = match is_root() {
            true => Command::new("/bin/sh"),
            false => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "/bin/sh"]);
                sudo
            }
        };
        let outcome = command
            .args(["-c", include_str!("install.sh"), "install"])
            .args(self.names)
            // Half an installation helps nobody: a signal to the test runner does not reach it.
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("cannot share a file"))
            .stdout(log)
            .status();
        if !outcome.is_ok_and(|status| status.success()) {
            panic!(
                "tests need {:?}, which could not be installed: install the packages {:?}, or set {url_variable} to a running \
                 server; see {}",
                self.programs,
                self.names,
                log_path.display()
            );
        }
    }
}

/// Whether this process belongs to root, as told by the owner of a file it creates.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.uid() == 0)
}

/// The folders of `PATH`, then those where Debian keeps servers, newest PostgreSQL first.
fn search_folders() -> Vec<PathBuf> {
    let mut folders: Vec<_> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.extend(versions.into_iter().map(|(_, folder)| folder));
    folders.extend(["/usr/bin", "/usr/sbin"].map(PathBuf::from));
    folders
}

fn version(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.parse().ok()
}
