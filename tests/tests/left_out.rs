//! On a machine that lacks programs, the scripts of `make` say which tests they leave out, and continuous integration fails.

use std::{
    env,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What the scripts need to say anything at all.
const SHELL: [&str; 2] = ["bash", "dirname"];

const SCRIPTS: [(&[&str], &str); 5] = [
    (
        &["localstack/test", "terraform"],
        "the tests of terraform; they need terraform, Python 3.11 or later with venv, curl, timeout, setsid, pgrep",
    ),
    (
        &["localstack/test", "deployed"],
        "the tests of deployed; they need terraform, Python 3.11 or later with venv, curl, timeout, setsid, pgrep, strip",
    ),
    (
        &["localstack/test", "watched"],
        "the tests of watched; they need Python 3.11 or later with venv, curl, setsid, pgrep",
    ),
    (&["localstack/test", "packaged"], "the tests of packaged; they need Python 3.11 or later with venv"),
    (&["tests/clients/run"], "every MCP client; they need Python 3.10 or later with venv, timeout"),
];

/// A machine with a shell, and with what a test gives it beside that.
struct Machine {
    programs: TempDir,
}

impl Machine {
    fn new() -> Self {
        let programs = TempDir::new().unwrap();
        for program in SHELL {
            symlink(found(program), programs.path().join(program)).unwrap();
        }
        Self { programs }
    }

    /// With a program that ends with this status and does nothing.
    fn with(self, program: &str, status: u8) -> Self {
        let path = self.programs.path().join(program);
        std::fs::write(&path, format!("#!/bin/sh\nexit {status}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        self
    }

    fn run(&self, script: &[&str], ci: &str) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let path = self.programs.path();
        Command::new(root.join(script[0])).args(&script[1..]).env("PATH", path).env("CI", ci).output().unwrap()
    }

    /// What a script says, and that it fails in continuous integration only.
    fn says(&self, script: &[&str]) -> String {
        let [here, there] = ["", "true"].map(|ci| self.run(script, ci));
        assert!(here.status.success() && !there.status.success(), "{here:?} {there:?}");
        assert_eq!(here.stdout, there.stdout);
        String::from_utf8(here.stdout).unwrap()
    }
}

fn found(program: &str) -> PathBuf {
    env::split_paths(&env::var_os("PATH").unwrap())
        .map(|folder| folder.join(program))
        .find(|path| path.exists())
        .unwrap()
}

#[test]
fn a_machine_without_programs_is_told_what_is_left_out() {
    for (script, left_out) in SCRIPTS {
        assert_eq!(Machine::new().says(script), format!("left out: {left_out}\n"));
    }
}

#[test]
fn a_python_that_is_too_old_or_has_no_venv_is_none() {
    let machine = ["terraform", "curl", "timeout", "setsid", "pgrep", "strip"]
        .iter()
        .fold(Machine::new(), |machine, program| machine.with(program, 0))
        .with("python3", 1);
    for (script, _) in SCRIPTS {
        let said = machine.says(script);
        let (_, needs) = said.split_once("; they need ").unwrap();
        assert!(
            matches!(needs.trim_end(), "Python 3.10 or later with venv" | "Python 3.11 or later with venv"),
            "{said}"
        );
    }
}
