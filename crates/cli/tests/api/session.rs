//! A folder with files in it, and the command run there.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::stand_in::{KEY, StandIn};

pub(crate) struct Session {
    pub(crate) api: StandIn,
    pub(crate) folder: TempDir,
}

/// What a command printed and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self { api: StandIn::start(), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn tidegate(&self, arguments: &[&str]) -> Ran {
        run(self.folder.path(), arguments, |command| {
            command.env("TIDEGATE_URL", format!("http://{}", self.api.address)).env("TIDEGATE_API_KEY", KEY);
        })
    }

    /// Runs a command that has to succeed, and gives its output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let ran = self.tidegate(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}\n{}", ran.stdout);
        ran.stdout
    }
}

pub(crate) fn run(folder: &Path, arguments: &[&str], adjust: impl FnOnce(&mut Command)) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env_remove("TIDEGATE_URL").env_remove("TIDEGATE_API_KEY");
    adjust(&mut command);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

pub(crate) const GOOD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/good");
