//! The environment variables that Tidegate reads.

use std::fmt;

use self::Reader::{Command, Function};

/// An environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Who reads it.
    pub reader: Reader,
    /// What holds without it.
    pub default: Absence,
    /// What it says.
    pub meaning: &'static str,
}

/// Who reads a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The functions of a deployment, which Terraform and Lambda tell.
    Function,
    /// The command `tidegate`.
    Command,
    /// Both.
    Both,
}

/// What holds without a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A value, or in words what is done.
    Default(&'static str),
    /// A value of the environment file, which the variable goes before.
    Setting(&'static str),
    /// Nothing: it has to be there.
    Fault,
}

const fn variable(reader: Reader, name: &'static str, default: Absence, meaning: &'static str) -> Variable {
    Variable { name, reader, default, meaning }
}

/// Every one, in the order of `docs/reference/configuration.md`.
pub const VARIABLES: [Variable; 22] = [
    variable(
        Reader::Both,
        "TIDEGATE_LOG",
        Absence::Setting("log"),
        "what is logged: a level, or a list such as `info,tidegate_engine=debug`",
    ),
    variable(Function, "TIDEGATE_CONFIG", Absence::Fault, "the environment file without `deploy`, as JSON"),
    variable(Reader::Both, "TIDEGATE_TABLE", Absence::Fault, "the name of the DynamoDB table"),
    variable(
        Reader::Both,
        "TIDEGATE_SECRET_PREFIX",
        Absence::Default("no source is opened"),
        "what the names of the sources' secrets begin with",
    ),
    variable(
        Reader::Both,
        "TIDEGATE_MASTER_KEY_SECRET",
        Absence::Fault,
        "the name of the secret that holds the master key; asked for beside `TIDEGATE_SECRET_PREFIX` only",
    ),
    variable(
        Reader::Both,
        "TIDEGATE_KMS_KEY",
        Absence::Default("the key of Secrets Manager"),
        "the KMS key that new secrets are encrypted with",
    ),
    variable(
        Reader::Both,
        "TIDEGATE_SECRET_RECOVERY_DAYS",
        Absence::Default("gone at once"),
        "for how many days, 7 to 30, a deleted secret can be brought back",
    ),
    variable(
        Function,
        "TIDEGATE_URLS",
        Absence::Default("none"),
        "the addresses of the deployment, separated by commas",
    ),
    variable(
        Function,
        "TIDEGATE_URL_STREAMS",
        Absence::Default("false"),
        "whether the function URL streams: `true` or `false`",
    ),
    variable(
        Function,
        "TIDEGATE_LISTEN",
        Absence::Default("127.0.0.1:9000"),
        "the address and port that a function listens on outside Lambda",
    ),
    variable(
        Function,
        "AWS_LAMBDA_RUNTIME_API",
        Absence::Default("outside Lambda"),
        "set by Lambda: where calls come from",
    ),
    variable(Reader::Both, "AWS_REGION", Absence::Fault, "the AWS region; set by Lambda"),
    variable(
        Reader::Both,
        "AWS_ACCESS_KEY_ID",
        Absence::Fault,
        "set by Lambda; the command also finds credentials where other AWS tools do",
    ),
    variable(Reader::Both, "AWS_SECRET_ACCESS_KEY", Absence::Fault, "as `AWS_ACCESS_KEY_ID`"),
    variable(Reader::Both, "AWS_SESSION_TOKEN", Absence::Default("none"), "as `AWS_ACCESS_KEY_ID`"),
    variable(
        Reader::Both,
        "AWS_ENDPOINT_URL",
        Absence::Default("AWS"),
        "the address of an emulator to use in place of AWS",
    ),
    variable(
        Reader::Both,
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Absence::Default("none are sent"),
        "the address of an OpenTelemetry collector that spans are sent to; read by what was built with the feature `otlp`",
    ),
    variable(Reader::Both, "OTEL_SERVICE_NAME", Absence::Default("tidegate"), "the name that the spans come by"),
    variable(
        Command,
        "TIDEGATE_MASTER_KEY",
        Absence::Default("a file in the data folder"),
        "the master key of a local server: 32 bytes in base64",
    ),
    variable(
        Command,
        "TIDEGATE_URL",
        Absence::Default("the local server of this folder"),
        "the server that a command speaks to; `--url` goes before it",
    ),
    variable(
        Command,
        "TIDEGATE_API_KEY",
        Absence::Default("the local server's"),
        "the API key for that server; `--key` goes before it",
    ),
    variable(Command, "NO_COLOR", Absence::Default("colours on a terminal"), "set to anything: no colours"),
];

/// The variable that goes before a setting of the environment file.
pub fn overriding(setting: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| matches!(variable.default, Absence::Setting(key) if key == setting))
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "functions",
            Self::Command => "`tidegate`",
            Self::Both => "both",
        })
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(value) => f.write_str(value),
            Self::Setting(setting) => write!(f, "`{setting}` of the environment file"),
            Self::Fault => f.write_str("it has to be set"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn the_reference_lists_every_variable_as_it_is() {
        let page = fs::read_to_string(root().join("docs/reference/configuration.md")).unwrap();
        let rows = page
            .lines()
            .filter(|line| ["| `TIDEGATE_", "| `AWS_", "| `OTEL_", "| `NO_"].iter().any(|it| line.starts_with(it)));
        let expected = VARIABLES.map(|Variable { name, reader, default, meaning }| {
            format!("| `{name}` | {reader} | {default} | {meaning} |")
        });
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_code_reads_the_listed_variables_and_no_others() {
        let mut named = BTreeSet::new();
        for folder in ["crates", "functions"] {
            for package in fs::read_dir(root().join(folder)).unwrap() {
                texts(&package.unwrap().path().join("src"), &mut named);
            }
        }
        let listed: BTreeSet<String> = VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
        assert_eq!(named, listed);
    }

    /// Adds the literals in a folder of sources that are names of variables. Those of this list do not count.
    fn texts(folder: &Path, named: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, named);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("environment/variables.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let is_variable = |text: &&str| {
                    let is_ours =
                        ["TIDEGATE_", "AWS_", "OTEL_"].iter().any(|it| text.starts_with(it)) || *text == "NO_COLOR";
                    is_ours
                        && !text.starts_with("TIDEGATE_TEST_")
                        && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                };
                named.extend(text.split('"').filter(is_variable).map(str::to_owned));
            }
        }
    }
}
