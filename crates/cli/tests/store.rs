//! `tidegate store` and `tidegate tenants` as an operator types them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// What a command printed and how it ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What it printed; it did what was asked.
    fn done(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// What it said was wrong.
    fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        self.err
    }
}

/// A command without any settings of this machine.
fn tidegate(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(words.split_whitespace()).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("HOME", "/nonexistent");
    command
}

struct Folder {
    parent: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { parent: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.parent.path().join("data")
    }

    fn run(&self, words: &str) -> Ran {
        Ran::of(tidegate(words).arg("--data-dir").arg(self.path()).stdin(Stdio::null()).output().unwrap())
    }

    /// Answers a question.
    fn run_answering(&self, words: &str, answer: &str) -> Ran {
        let mut command = tidegate(words);
        command.arg("--data-dir").arg(self.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }
}

#[test]
fn a_store_is_made_migrated_back_and_forth_and_emptied() {
    let folder = Folder::new();
    let absent = folder.run("store status").failed(1);
    assert!(absent.contains("tidegate store init --data-dir") && !folder.path().exists(), "{absent}");

    for _ in 0..2 {
        assert!(folder.run("store init").done().ends_with("is at revision 1\n"));
    }
    let key = folder.run("tenants create acme").done();
    assert!(key.starts_with("tg_") && key.lines().count() == 1, "{key}");
    assert!(folder.run("tenants create acme").failed(1).contains("there is a tenant `acme` already"));
    assert_ne!(folder.run("tenants key acme").done(), key);
    assert!(folder.run("tenants key nobody").failed(1).contains("there is no tenant `nobody`"));
    assert!(folder.run("tenants list").done().contains("\nacme  "));

    let refused = folder.run("store downgrade 0").failed(1);
    assert!(refused.contains("nobody can be asked here, so say --yes"), "{refused}");
    let planned = folder.run("store downgrade 0 --dry-run").done();
    assert_eq!(planned, "would take back 1 tenant_directory: reads 1, writes 1\n");
    let done = folder.run("store downgrade 0 --yes").done();
    assert_eq!(done, "take back 1 tenant_directory: read 1, wrote 1\n");
    assert!(!folder.run("tenants list").done().contains("acme"));
    let status = folder.run("store status").done();
    assert!(status.contains("revision      0,") && status.contains("pending       1 tenant_directory"), "{status}");

    assert_eq!(folder.run("store upgrade --dry-run").done(), "would apply 1 tenant_directory: reads 1, writes 1\n");
    assert_eq!(folder.run("store upgrade --yes").done(), "apply 1 tenant_directory: read 1, wrote 1\n");
    assert_eq!(folder.run("store upgrade").done(), "nothing to do\n");
    assert!(folder.run("tenants list").done().contains("\nacme  "));
    let history = folder.run("store history").done();
    let found = ["take back 1 tenant_directory", "apply 1 tenant_directory"].map(|it| history.find(it).unwrap());
    assert!(found.is_sorted(), "{history}");

    assert!(folder.run_answering("store reset", "yes\n").failed(1).contains("nothing was changed"));
    assert!(folder.run("tenants list").done().contains("\nacme  "));
    let name = format!("{}\n", folder.path().display());
    assert!(folder.run_answering("store reset", &name).done().starts_with("deleted "));
    assert!(folder.run("tenants list").failed(1).contains("tidegate store init"));
    assert!(folder.run("store upgrade --yes").failed(1).contains("tidegate store init"));
    assert!(folder.run("store init").done().ends_with("is at revision 1\n"));
}

#[test]
fn the_store_has_to_be_named() {
    let nothing = Ran::of(tidegate("store status").output().unwrap()).failed(2);
    assert!(nothing.contains("--environment-file config/environments/NAME.yaml or --data-dir"), "{nothing}");
    let both = Ran::of(tidegate("store status --environment-file x --data-dir y").output().unwrap()).failed(2);
    assert!(both.contains("cannot be used with"), "{both}");
}

fn environment(name: &str) -> String {
    format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/environments/{}"), name)
}

#[test]
fn what_is_wrong_with_an_environment_is_said() {
    let folder = Folder::new();
    let absent = Ran::of(tidegate("store status --environment-file nowhere.yaml").output().unwrap()).failed(1);
    assert!(absent.contains("nowhere.yaml"), "{absent}");
    let bare = folder.parent.path().join("bare.yaml");
    fs::write(&bare, "log: info\n").unwrap();
    let bare = Ran::of(tidegate("store status --environment-file").arg(&bare).output().unwrap()).failed(1);
    assert!(bare.contains("`deploy` is missing"), "{bare}");
    let unsigned =
        Ran::of(tidegate("store status --environment-file").arg(environment("staging.yaml")).output().unwrap());
    let unsigned = unsigned.failed(1);
    assert!(unsigned.contains("there are no AWS credentials: sign in first"), "{unsigned}");

    // As `tidegate config check` says it.
    let wrong = folder.parent.path().join("wrong.yaml");
    let staging = fs::read_to_string(environment("staging.yaml")).unwrap();
    fs::write(&wrong, staging.replace("log_days", "log_dayz")).unwrap();
    let said = Ran::of(tidegate("store status --environment-file").arg(&wrong).output().unwrap()).failed(1);
    assert!(said.contains("did you mean `log_days`?"), "{said}");
    assert_eq!(said, Ran::of(tidegate("config check").arg(&wrong).output().unwrap()).failed(1));
}

/// A command for a deployment, with credentials and an address where nobody listens.
fn on_aws(words: &str, file: &Path) -> Command {
    let mut command = tidegate(words);
    command.arg("--environment-file").arg(file);
    command.envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ]);
    command
}

#[test]
fn a_deployment_that_does_not_answer_is_unavailable() {
    let ran = Ran::of(on_aws("store status", Path::new(&environment("staging.yaml"))).output().unwrap()).failed(1);
    assert!(ran.contains("the store cannot be reached"), "{ran}");
}

#[test]
fn what_is_emptied_has_to_be_named() {
    let mut command = tidegate("store reset");
    command.envs([
        ("TIDEGATE_CONFIG", "{}"),
        ("TIDEGATE_TABLE", "tidegate-production"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ]);
    let ran = Ran::of(command.stdin(Stdio::null()).output().unwrap()).failed(2);
    assert!(ran.contains("which tells whether the deployment is protected"), "{ran}");
}

#[test]
fn a_protected_environment_is_not_emptied() {
    let ran = Ran::of(on_aws("store reset", Path::new(&environment("production.yaml"))).output().unwrap()).failed(1);
    assert!(ran.contains("production is protected: set deploy.protected to false"), "{ran}");
}

#[test]
fn a_tenant_is_deleted_after_its_name_was_typed() {
    let folder = Folder::new();
    folder.run("store init").done();
    for name in ["acme", "globex"] {
        folder.run(&format!("tenants create {name}")).done();
    }
    let unknown = folder.run("tenants delete acmee --yes").failed(1);
    assert!(unknown.contains("there is no tenant `acmee`; did you mean `acme`?"), "{unknown}");
    let unlike = folder.run("tenants delete zzz --yes").failed(1);
    assert!(unlike.ends_with("there is no tenant `zzz`\n"), "{unlike}");
    for answer in ["", "yes\n", "globex\n"] {
        let asked = folder.run_answering("tenants delete acme", answer).failed(1);
        assert!(asked.contains("Type acme to do it:") && asked.contains("nothing was changed"), "{asked}");
    }
    assert!(folder.run("tenants list").done().contains("\nacme  "));

    // The key and its name. Nobody else has the folder, so nothing is waited for.
    assert_eq!(
        folder.run_answering("tenants delete acme", "acme\n").done(),
        "deleted the tenant `acme`: 1 items, 0 secrets\n"
    );
    assert_eq!(folder.run("tenants delete globex --yes").done(), "deleted the tenant `globex`: 1 items, 0 secrets\n");
    assert!(folder.run("tenants delete acme --yes").failed(1).contains("there is no tenant `acme`"));
    assert_eq!(folder.run("tenants list").done().lines().count(), 1);
    folder.run("tenants create acme").done();
}
