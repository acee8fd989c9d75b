//! `tidegate config`: the environment files of deployments.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::Value as Json;
use tidegate_core::error::Fault;
use tidegate_platform::{Environment, environment::variables};

use crate::{
    declaration::{self, Declared, Node},
    diagnostic::Diagnostic,
    failure::Failure,
    terminal,
};

/// What is done with environment files.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check an environment file, and print what holds and where each value comes from
    Check(CheckArguments),
}

/// The file to check.
#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// An environment file, such as config/environments/staging.yaml
    file: PathBuf,
}

pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Check(CheckArguments { file }) = command;
    let Declared { spec, origin } = load(file)?;
    let values = serde_json::to_value(spec.overridden()?)
        .map_err(|error| Failure::message(format!("`{}` cannot be printed: {error}", file.display())))?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["KEY", "VALUE", "FROM"]);
    let mut add = |key: &str, value: &Json, node: Option<&Node>| {
        table.add_row(effective(key, value, node.map(|node| format!("{}:{}", file.display(), node.place.line))));
    };
    each_value("", &values, Some(&origin.node), &mut add);
    terminal::print(&format!("{}\n", terminal::printable(&table.trim_fmt())))?;
    Ok(())
}

/// Reads an environment file that has to be right, and prints every finding when it is not.
pub(crate) fn load(file: &Path) -> Result<Declared<Environment>, Failure> {
    let declared = declaration::read::<Environment>(file)?.map_err(|finding| refused(&[finding]))?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let finding = |fault: &Fault| {
        let key = fault.field.as_deref().unwrap_or_default();
        Diagnostic::error(&declared.origin, declared.origin.place(key), format!("`{key}` must be {}", fault.message))
    };
    let findings: Vec<_> = declared.spec.faults(&name).iter().map(finding).collect();
    if findings.is_empty() { Ok(declared) } else { Err(refused(&findings)) }
}

fn refused(findings: &[Diagnostic]) -> Failure {
    findings.iter().for_each(|finding| terminal::note(terminal::printable(&finding.to_string())));
    Failure::Faults(findings.len())
}

/// Visits each value that is no mapping, with its dotted key and where the file gives it.
fn each_value(key: &str, value: &Json, node: Option<&Node>, visit: &mut impl FnMut(&str, &Json, Option<&Node>)) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                let key = if key.is_empty() { field.clone() } else { format!("{key}.{field}") };
                each_value(&key, value, node.and_then(|node| node.child(field)), visit);
            }
        }
        _ => visit(key, value, node),
    }
}

/// The row of a value. What an environment variable says goes before what the file says.
fn effective(key: &str, value: &Json, place: Option<String>) -> [String; 3] {
    let variable = variables::overriding().find(|(name, setting)| *setting == key && variables::set(name).is_some());
    let from = variable.map(|(name, _)| name.to_owned()).or(place).unwrap_or_else(|| "default".to_owned());
    let value = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    [key.to_owned(), value, from]
}
