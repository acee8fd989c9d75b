#![doc = include_str!("../README.md")]

mod check;
mod client;
mod commands;
mod declaration;
pub mod dev;
mod diagnostic;
mod diff;
mod entity;
mod failure;
mod owner;
mod plan;
mod terminal;
mod yaml;

use std::process::ExitCode;

use clap::Parser;

/// Does what the command line asks and prints the outcome. The exit code is 0 when it was done, 1 when it failed, and
/// 2 when the command line makes no sense.
pub async fn run() -> ExitCode {
    terminal::choose_colours();
    match commands::run(commands::Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.report()),
    }
}
