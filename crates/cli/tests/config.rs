//! `tidegate config check` on environment files, right and wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn check(path: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["config", "check"]).arg(path).env_remove("TIDEGATE_LOG").envs(variables.iter().copied());
    command.output().unwrap()
}

fn stdout(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What is said of a file of this text, without its folder.
fn findings(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let output = check(&path, &[]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn the_environments_of_the_repository_are_right() {
    for name in ["local", "staging", "production"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../config/environments/{name}.yaml"));
        let output = check(&path, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(stdout(&output).iter().any(|line| line.starts_with("deploy.gateway.cors.origins [] ")), "{name}");
    }
}

#[test]
fn every_value_is_printed_with_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    fs::write(&path, "log: info\nbudget:\n  rows: 5\nsource_networks:\n  allow: [10.0.0.0/8]\n").unwrap();
    let from = path.display();
    let lines = stdout(&check(&path, &[]));
    for expected in [
        "KEY VALUE FROM".to_owned(),
        format!("log info {from}:1"),
        format!("budget.rows 5 {from}:3"),
        "budget.bytes 1048576 default".to_owned(),
        format!("source_networks.allow [\"10.0.0.0/8\"] {from}:5"),
        "deploy null default".to_owned(),
    ] {
        assert!(lines.contains(&expected), "{expected}: {lines:#?}");
    }
    let lines = stdout(&check(&path, &[("TIDEGATE_LOG", "debug")]));
    assert!(lines.contains(&"log debug TIDEGATE_LOG".to_owned()), "{lines:#?}");
    let lines =
        stdout(&check(&path, &[("TIDEGATE_BUDGET_ROWS", "7"), ("TIDEGATE_HOSTS", "a.example.com,b.example.com")]));
    assert!(lines.contains(&"budget.rows 7 TIDEGATE_BUDGET_ROWS".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"hosts [\"a.example.com\",\"b.example.com\"] TIDEGATE_HOSTS".to_owned()), "{lines:#?}");
    let refused = check(&path, &[("TIDEGATE_BUDGET_ROWS", "0")]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said, "error: the environment variable TIDEGATE_BUDGET_ROWS is wrong: it must be at least 1\n");
}

#[test]
fn what_is_wrong_is_named_with_its_place_its_key_and_what_is_allowed() {
    for (text, expected) in [
        ("log: info\nhistory_dys: 3\n", "x.yaml:2:1: there is no key `history_dys` here; did you mean `history_days`?"),
        ("budget:\n  row: 3\n", "x.yaml:2:3: `budget`: there is no key `row` here; did you mean `rows`?"),
        ("budget: {rows: many}\n", "x.yaml:1:16: `budget.rows`: expected a whole number, not negative, found a text"),
        ("quotas: {sources: 0}\n", "x.yaml:1:19: `quotas.sources` must be 1 to 5000"),
        ("quotas:\n  keys: 5001\n", "x.yaml:2:9: `quotas.keys` must be 1 to 5000"),
        ("quotas: {queries: -1}\n", "x.yaml:1:19: `quotas.queries`: expected a whole number from 0 to 65535"),
        ("quotas: {qeuries: 9}\n", "x.yaml:1:10: `quotas`: there is no key `qeuries` here; did you mean `queries`?"),
        ("quota: {keys: 9}\n", "x.yaml:1:1: there is no key `quota` here; did you mean `quotas`?"),
        ("sign_up: opne\n", "x.yaml:1:10: `sign_up`: `opne` is not known here; did you mean `open`?"),
        ("sign_up: everybody\n", "x.yaml:1:10: `sign_up`: `everybody` is not known here; use one of `closed`, `open`"),
        ("sign_up: true\n", "x.yaml:1:10: `sign_up`: expected one of `closed`, `open`"),
        ("signup: open\n", "x.yaml:1:1: there is no key `signup` here; did you mean `sign_up`?"),
        ("history_days: 0\n", "x.yaml:1:15: `history_days` must be at least 1"),
        (
            "base_paths: [/a/]\n",
            "x.yaml:1:13: `base_paths` must be paths such as /tidegate, with no slash at their end",
        ),
        (
            "source_networks: {allow: [10.0.0.1/8]}\n",
            "x.yaml:1:27: `source_networks.allow`: `10.0.0.1/8` is no range of addresses; write one such as \
             `10.0.0.0/8` or `fd00::/8`",
        ),
        (
            "caller_networks: {allow: [office]}\n",
            "x.yaml:1:27: `caller_networks.allow`: `office` is no range of addresses; write one such as `10.0.0.0/8` or \
             `fd00::/8`",
        ),
        ("log: info\nlog: warn\n", "x.yaml:2:1: the key `log` is given twice; keep one"),
        ("deploy: {}\n", "x.yaml:1:9: `deploy`: the key `name` is missing"),
    ] {
        assert_eq!(findings("x.yaml", text), format!("{expected}\nerror: 1 fault\n"), "{text}");
    }
}

#[test]
fn every_wrong_value_of_a_deployment_is_named() {
    let staging = include_str!("../../../config/environments/staging.yaml");
    let misspelt = findings("staging.yaml", &staging.replace("    key_rotation:", "    key_rotations:"));
    let expected = "`deploy.schedules`: `key_rotations` is not known here; did you mean `key_rotation`?";
    assert!(misspelt.contains(expected), "{misspelt}");
    let text = staging.replace("log_days: 14", "log_days: 15").replace("origins: []", "origins: ['*']");
    let found = findings("production.yaml", &text);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!((lines.len(), lines[3]), (4, "error: 3 faults"), "{found}");
    for (line, expected) in [
        "`deploy.protected` must be true in production",
        "`deploy.log_days` must be a number of days that CloudWatch Logs knows: 1, 3, 5, 7, 14, ",
        "`deploy.gateway.cors.origins[0]` must be an origin such as https://app.example.com; no wildcard",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(lines[line].starts_with("production.yaml:") && lines[line].contains(expected), "{found}");
    }
}

#[test]
fn sign_up_is_closed_where_tokens_name_tenants() {
    let staging = include_str!("../../../config/environments/staging.yaml");
    let open = staging.replace("sign_up: closed", "sign_up: open");
    let text = open.replace("jwt: null", "jwt: {issuer: https://id.example.com, audience: [tidegate]}");
    let found = findings("staging.yaml", &text);
    let expected = "`sign_up` must be closed with `deploy.gateway.jwt`: tokens name tenants, and anybody could take such a \
                    name first\nerror: 1 fault\n";
    assert!(found.ends_with(expected), "{found}");
}

#[test]
fn sign_up_is_closed_where_sources_may_be_in_a_private_network() {
    let staging = include_str!("../../../config/environments/staging.yaml");
    let open = |text: &str| text.replace("sign_up: closed", "sign_up: open");
    let networks = staging.replace("source_networks: {allow: []}", "source_networks: {allow: [10.0.0.0/8]}");
    let found = findings("staging.yaml", &open(&networks));
    let expected = "`sign_up` must be closed with `source_networks.allow`: anybody could look for what is in these \
                    networks\nerror: 1 fault\n";
    assert!(found.ends_with(expected), "{found}");
    // Either alone is right, and so are both on one machine.
    let local = "sign_up: open\nsource_networks: {allow: [10.0.0.0/8]}\n".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("staging.yaml");
    for text in [open(staging), networks, local] {
        fs::write(&path, text).unwrap();
        let output = check(&path, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_schema_of_each_kind_of_file_is_printed() {
    for (argument, expected) in
        [("declaration", "\"sources\""), ("environment", "\"history_days\""), ("openapi", "\"/v1/me\"")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(["schema", argument]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected) && text.ends_with("}\n"), "{argument}");
    }
}

#[test]
fn the_reference_shows_what_is_printed() {
    let reference = include_str!("../../../docs/reference/configuration.md");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["config", "check", "config/environments/staging.yaml"]).env("TIDEGATE_LOG", "debug");
    let printed = stdout(&command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).output().unwrap());
    let shown = reference.lines().skip_while(|line| !line.starts_with("KEY ")).take_while(|line| *line != "```");
    let shown: Vec<_> = shown.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(shown.len() > 3, "{shown:#?}");
    for line in shown {
        assert!(printed.contains(&line), "{line}: {printed:#?}");
    }
    let staging = include_str!("../../../config/environments/staging.yaml").replace("history_days", "history_dys");
    let said = findings("staging.yaml", &staging);
    assert!(reference.contains(&said), "{said}");
}
