//! `tidegate validate` on files that are wrong, each in its own way.
//!
//! A file in `bad/` says at its end what it expects: each line after `#= ` is a finding without the file's name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn tidegate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("TIDEGATE_TEST_NOT_SET");
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn bad_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_bad_file_gives_the_findings_it_expects() {
    let files = bad_files();
    assert!(files.len() > 10);
    for path in files {
        let file = format!("tests/bad/{}", path.file_name().unwrap().to_str().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        let expected: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#= "))
            .map(|finding| format!("{file}:{}", finding.replace("{file}", &file)))
            .collect();
        let faults = expected.iter().filter(|finding| !finding.contains(": warning: ")).count();
        let count = if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") };

        let output = tidegate(&["validate", "-f", &file]);
        let stderr = stderr(&output);
        let mut findings: Vec<&str> = stderr.lines().collect();
        assert_eq!(findings.pop(), Some(format!("error: {count}").as_str()), "{file}\n{stderr}");
        assert_eq!(findings, expected, "{file}");
        assert_eq!(output.status.code(), Some(1), "{file}");
        assert!(output.stdout.is_empty() && !stderr.contains("hunter2"), "{file}");
    }
}

#[test]
fn a_name_declared_in_two_files_is_a_fault_of_the_second() {
    let folder = tempfile::tempdir().unwrap();
    // Read in the order of their names, whatever the order on disk; what is not *.yaml is left alone.
    fs::write(folder.path().join("b.yaml"), "servers: [{name: desk}]\n").unwrap();
    fs::write(folder.path().join("a.yaml"), "servers:\n  - name: desk\n").unwrap();
    fs::write(folder.path().join("c.txt"), "not: yaml: at all").unwrap();
    let folder = folder.path().to_str().unwrap();
    let output = tidegate(&["validate", "-f", folder]);
    let message = "`desk` is declared twice among the servers; the first is at";
    assert_eq!(stderr(&output), format!("{folder}/b.yaml:1:18: {message} {folder}/a.yaml:2:11\nerror: 1 fault\n"));
}

#[test]
fn files_that_are_right_are_counted() {
    let output = tidegate(&["validate", "-f", "tests/good"]);
    assert_eq!(stderr(&output), "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "valid: sources 2, queries 3, servers 1\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_examples_are_valid() {
    let output = tidegate(&["validate", "-f", "../../config/examples/flights.yaml"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_read_is_named() {
    let empty = tempfile::tempdir().unwrap();
    for path in ["no/such/file.yaml", empty.path().to_str().unwrap()] {
        let output = tidegate(&["validate", "-f", path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(path), "{}", stderr(&output));
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [&["validate"][..], &["nothing"], &["run", "q", "novalue"], &["plan", "-f", "x", "--url", "::"]] {
        assert_eq!(tidegate(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_fault() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let mut child = command.arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
