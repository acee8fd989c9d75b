//! `tidegate validate`: the files are checked without a server.

use std::path::PathBuf;

use clap::Args;

use super::FileArguments;
use crate::{
    check,
    declaration::{self, Declaration},
    diagnostic::{Diagnostic, Severity},
    failure::Failure,
    terminal,
};

/// What is checked.
#[derive(Args, Debug)]
pub(crate) struct ValidateArguments {
    #[command(flatten)]
    files: FileArguments,
}

pub(super) fn run(arguments: &ValidateArguments) -> Result<(), Failure> {
    let (declaration, mut diagnostics) = declaration::load(&arguments.files.files)?;
    diagnostics.extend(check::check(&declaration));
    refuse_faults(diagnostics)?;
    let Declaration { sources, queries, servers } = &declaration;
    let (sources, queries, servers) = (sources.len(), queries.len(), servers.len());
    terminal::print(&format!("valid: sources {sources}, queries {queries}, servers {servers}\n"))?;
    Ok(())
}

/// Reads files that have to be right, and prints every finding when they are not.
pub(crate) fn load_valid(paths: &[PathBuf]) -> Result<Declaration, Failure> {
    let (declaration, mut diagnostics) = declaration::load(paths)?;
    diagnostics.extend(check::check(&declaration));
    // A warning speaks of what cannot be known without the server, and the server is asked next.
    diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
    refuse_faults(diagnostics)?;
    Ok(declaration)
}

fn refuse_faults(mut diagnostics: Vec<Diagnostic>) -> Result<(), Failure> {
    diagnostics.sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
    diagnostics.iter().for_each(|diagnostic| terminal::note(terminal::printable(&diagnostic.to_string())));
    match diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count() {
        0 => Ok(()),
        faults => Err(Failure::Faults(faults)),
    }
}
