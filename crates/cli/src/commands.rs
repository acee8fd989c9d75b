//! The commands.

pub(crate) mod apply;
mod export;
mod keys;
mod plan;
mod run;
mod schema;
pub(crate) mod validate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{dev, failure::Failure};

/// Turns databases into governed tools: MCP for assistants, REST for programs
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true)]
#[command(after_help = "Begin with `tidegate dev` in an empty folder; it prints what to do next.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole of Tidegate on this machine
    Dev(DevArguments),
    /// Check files of sources, queries and servers, without a server
    Validate(validate::ValidateArguments),
    /// Show what `apply` would change
    Plan(plan::PlanArguments),
    /// Make the server have what files declare
    Apply(apply::ApplyArguments),
    /// Print what the server has as a file
    Export(export::ExportArguments),
    /// Run a query and print its rows
    Run(run::RunArguments),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Print the JSON Schema of the files, for editors
    Schema,
}

/// How the local server runs.
#[derive(Args, Debug)]
pub(crate) struct DevArguments {
    /// The port it listens on, on the loopback address
    #[arg(long, default_value_t = 9000)]
    pub(crate) port: u16,
    /// Where it keeps its data
    #[arg(long, value_name = "FOLDER", default_value = ".tidegate")]
    pub(crate) data_dir: PathBuf,
    /// An environment file (config/environments/*.yaml) in place of the local defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The declared files.
#[derive(Args, Debug)]
pub(crate) struct FileArguments {
    /// A YAML file, or a folder with *.yaml files; may be given several times
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Plan(arguments) => plan::run(arguments).await,
        Command::Apply(arguments) => apply::run(arguments).await,
        Command::Export(arguments) => export::run(arguments).await,
        Command::Run(arguments) => run::run(arguments).await,
        Command::Keys(command) => keys::run(command).await,
        Command::Schema => schema::run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
