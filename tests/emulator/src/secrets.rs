//! Secrets Manager: the operations that a vault takes, with the answers that it tells apart.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde::Deserialize;
use serde_json::json;

use crate::{Answer, lock, refused};

/// Secrets by name, and the file that they are written to.
pub(crate) struct Secrets {
    values: Mutex<BTreeMap<String, String>>,
    file: Option<PathBuf>,
}

/// What of a request is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(alias = "SecretId", default)]
    name: String,
    secret_string: Option<String>,
}

impl Secrets {
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let file = folder.map(|folder| folder.join("secrets.json"));
        let values = match &file {
            Some(file) if file.exists() => serde_json::from_slice(&fs::read(file)?)?,
            _ => BTreeMap::new(),
        };
        Ok(Self { values: Mutex::new(values), file })
    }

    pub(crate) fn put(&self, name: &str, value: &str) -> io::Result<()> {
        let mut values = lock(&self.values);
        values.insert(name.to_owned(), value.to_owned());
        self.write(&values)
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let mut values = lock(&self.values);
        values.remove(name);
        self.write(&values)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.values).keys().cloned().collect()
    }

    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> Answer {
        match serde_json::from_slice(body) {
            Ok(request) => self.run(operation, request),
            Err(error) => refused("SerializationException", error),
        }
    }

    fn run(&self, operation: &str, Request { name, secret_string }: Request) -> Answer {
        let mut values = lock(&self.values);
        if operation == "ListSecrets" {
            // All in one page, without regard to the filter: a vault passes over what is not its own anyway.
            let list: Vec<_> = values.keys().map(|name| json!({"Name": name})).collect();
            return (200, json!({"SecretList": list}).to_string().into_bytes());
        }
        let done = json!({"ARN": format!("arn:aws:secretsmanager:local:000000000000:secret:{name}"), "Name": name});
        let outcome = match (operation, values.get(&name)) {
            ("CreateSecret", Some(_)) => return refused("ResourceExistsException", "the secret already exists"),
            ("CreateSecret" | "PutSecretValue", _) => {
                values.insert(name, secret_string.unwrap_or_default());
                self.write(&values)
            }
            (_, None) => {
                return refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
            }
            ("GetSecretValue", Some(value)) => {
                let read = json!({"Name": name, "SecretString": value, "VersionId": "1"});
                return (200, read.to_string().into_bytes());
            }
            ("DescribeSecret", Some(_)) => Ok(()),
            ("DeleteSecret", Some(_)) => {
                values.remove(&name);
                self.write(&values)
            }
            _ => return refused("UnknownOperationException", format_args!("the emulator does not do `{operation}`")),
        };
        match outcome {
            Ok(()) => (200, done.to_string().into_bytes()),
            Err(error) => refused("InternalServerError", error),
        }
    }

    fn write(&self, values: &BTreeMap<String, String>) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(&serde_json::to_vec(values)?)
    }
}
