//! The environment variables that Tidegate reads.

use std::{env, fmt};

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

const fn setting(name: &'static str, key: &'static str, meaning: &'static str) -> Variable {
    variable(Reader::Both, name, Absence::Setting(key), meaning)
}

const fn variable(reader: Reader, name: &'static str, default: Absence, meaning: &'static str) -> Variable {
    Variable { name, reader, default, meaning }
}

/// Every one, in the order of `docs/reference/configuration.md`.
pub const VARIABLES: [Variable; 43] = [
    setting("TIDEGATE_LOG", "log", "what is logged: a level, or a list such as `info,tidegate_engine=debug`"),
    setting("TIDEGATE_BUDGET_ROWS", "budget.rows", "the most rows of one page"),
    setting("TIDEGATE_BUDGET_BYTES", "budget.bytes", "the most bytes of one page"),
    setting("TIDEGATE_BUDGET_CELL_BYTES", "budget.cell_bytes", "the most bytes of one cell"),
    setting("TIDEGATE_BUDGET_TIME_MS", "budget.time_ms", "the most milliseconds of one call"),
    setting("TIDEGATE_QUOTAS_SOURCES", "quotas.sources", "how many sources a tenant may have"),
    setting("TIDEGATE_QUOTAS_QUERIES", "quotas.queries", "how many queries a tenant may have"),
    setting("TIDEGATE_QUOTAS_SERVERS", "quotas.servers", "how many servers a tenant may have"),
    setting("TIDEGATE_QUOTAS_KEYS", "quotas.keys", "how many API keys a tenant may have"),
    setting("TIDEGATE_SIGN_UP", "sign_up", "who may make a tenant: `closed` or `open`"),
    setting("TIDEGATE_HISTORY_DAYS", "history_days", "how many days an execution stays in the history"),
    setting("TIDEGATE_KEEP_KEYS_DAYS", "keep_keys_days", "how many days a dead API key stays in the list"),
    setting("TIDEGATE_ROTATION_MAX_AGE_DAYS", "rotation.max_age_days", "how many days credentials may grow old"),
    setting("TIDEGATE_ROTATION_NOTICE_DAYS", "rotation.notice_days", "how many days before its end a key is told of"),
    setting("TIDEGATE_CACHE_SECONDS", "cache_seconds", "for how long what was read of the registry is relied on"),
    setting("TIDEGATE_TOKEN_CLAIMS_TENANT", "token_claims.tenant", "the claim of tokens that names the tenant"),
    setting("TIDEGATE_TOKEN_CLAIMS_ROLE", "token_claims.role", "the claim of tokens that names the role"),
    setting(
        "TIDEGATE_HOSTS",
        "hosts",
        "the hosts whose pages the MCP endpoint and sign-up answer, and those they answer to",
    ),
    setting("TIDEGATE_BASE_PATHS", "base_paths", "what paths begin with behind a custom domain"),
    setting("TIDEGATE_SQLITE_FOLDER", "sqlite_folder", "the folder of a deployment's SQLite files"),
    setting(
        "TIDEGATE_SOURCE_NETWORKS_ALLOW",
        "source_networks.allow",
        "the ranges that database servers may be in, beside the internet",
    ),
    setting("TIDEGATE_CALLER_NETWORKS_ALLOW", "caller_networks.allow", "the ranges that calls may come from"),
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

/// The variables that go before the environment file, each with the dotted key of its setting.
pub fn overriding() -> impl Iterator<Item = (&'static str, &'static str)> {
    VARIABLES.iter().filter_map(|variable| match variable.default {
        Absence::Setting(key) => Some((variable.name, key)),
        _ => None,
    })
}

/// What a variable says in this process; an empty one says nothing.
pub fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
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
    use crate::Environment;

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
        let settings: BTreeSet<_> = overriding().map(|(name, _)| name).collect();
        let listed = VARIABLES.iter().map(|variable| variable.name).filter(|name| !settings.contains(name));
        assert_eq!(named, listed.map(str::to_owned).collect());
    }

    #[test]
    fn every_setting_has_its_variable() {
        let mut expected = Vec::new();
        let defaults = serde_json::to_value(Environment::default()).unwrap();
        for (key, value) in defaults.as_object().unwrap() {
            match value.as_object() {
                Some(fields) => expected.extend(fields.keys().map(|field| format!("{key}.{field}"))),
                // Only Terraform reads it.
                None if key == "deploy" => {}
                None => expected.push(key.clone()),
            }
        }
        let named = |key: &String| (format!("TIDEGATE_{}", key.replace('.', "_").to_uppercase()), key.clone());
        let listed = overriding().map(|(name, key)| (name.to_owned(), key.to_owned()));
        assert_eq!(listed.collect::<BTreeSet<_>>(), expected.iter().map(named).collect());
    }

    /// Adds the literals in a folder of sources that are names of variables. Those of this list, and of what goes by it, do not count.
    fn texts(folder: &Path, named: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, named);
            } else if path.extension().is_some_and(|it| it == "rs")
                && ![file!(), "overrides.rs"].iter().any(|it| path.ends_with(it))
            {
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
