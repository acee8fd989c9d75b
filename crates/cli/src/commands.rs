//! The commands.

pub(crate) mod apply;
pub(crate) mod config;
mod export;
mod keys;
mod plan;
mod run;
mod schema;
pub(crate) mod store;
mod tenants;
pub(crate) mod validate;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};

use crate::{dev, failure::Failure, terminal};

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
    /// Make, list and delete tenants, and make keys of their owners; for who operates a deployment
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    /// Set up, migrate and empty the store; for who operates a deployment
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Check environment files; for who operates a deployment
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print the JSON Schema of files, for editors, or the OpenAPI document
    Schema(schema::SchemaArguments),
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
        Command::Tenants(command) => tenants::run(command).await,
        Command::Store(command) => store::run(command).await,
        Command::Config(command) => config::run(&command),
        Command::Schema(arguments) => schema::run(&arguments),
    }
}

/// Asks before something is changed. Only yes goes on.
fn ask(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::message("nothing was changed: nobody can be asked here, so say --yes"));
    }
    if terminal::confirm(question)? { Ok(()) } else { Err(Failure::message("nothing was changed")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
