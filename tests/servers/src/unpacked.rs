//! Unpacks a server that Debian has in its unstable release only, beside the libraries it wants, once on a machine.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::cache::cache;

/// A server that is unpacked into a folder of its own; nothing of the system changes.
pub(crate) struct Unpacked {
    /// The name of the folder and of the server, for messages.
    pub(crate) name: &'static str,
    /// Makes the folder that it is given, with the server's program in its `bin`.
    pub(crate) script: &'static str,
}

impl Unpacked {
    /// The folder with the server's program.
    pub(crate) fn bin(&self, url_variable: &str) -> PathBuf {
        let cache = cache();
        let folder = cache.join(self.name);
        // Several test processes may come here at once; one unpacks and the others find what it unpacked.
        let lock = File::create(cache.join("lock")).expect("cannot create a lock file");
        lock.lock().expect("cannot lock a file");
        if !folder.exists() {
            self.unpack(&folder, url_variable);
        }
        folder.join("bin")
    }

    fn unpack(&self, folder: &Path, url_variable: &str) {
        let partial = folder.with_extension("partial");
        let log_path = folder.with_extension("log");
        let log = File::create(&log_path).expect("cannot create a log file");
        let outcome = Command::new("/bin/sh")
            .args(["-c", self.script, "unpack"])
            .arg(&partial)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("cannot share a file"))
            .stdout(log)
            .status();
        if !outcome.is_ok_and(|status| status.success()) {
            let said = fs::read_to_string(&log_path).unwrap_or_default();
            panic!(
                "tests need {}, which could not be unpacked from Debian's unstable release: {}. Run them on Debian with a \
                 mirror within reach, or set {url_variable} to a server of your own; see {}",
                self.name,
                said.lines().next_back().unwrap_or("it said nothing"),
                log_path.display()
            );
        }
        // Half of it would look whole to the next process.
        fs::rename(&partial, folder).expect("cannot move a folder");
    }
}
