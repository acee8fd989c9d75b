//! `tidegate store`: what an operator does to the store of a deployment.

pub(crate) mod target;

use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use tidegate_store::{AppliedMigration, Direction, PlannedMigration, TableVersion};

use self::target::{StoreArguments, Target};
use super::ask;
use crate::{failure::Failure, terminal};

/// What is done to the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Make what a deployment needs and has not: the master key, and the version of its table
    Init(StoreArguments),
    /// Show the revision of the table, and what is pending or under way
    Status(StoreArguments),
    /// Apply the migrations that the table lacks
    Upgrade(UpgradeArguments),
    /// Take migrations back
    Downgrade(DowngradeArguments),
    /// List the migrations that were applied and taken back
    History(StoreArguments),
    /// Delete everything in the table
    Reset(StoreArguments),
}

/// What an upgrade takes.
#[derive(Args, Debug)]
pub(crate) struct UpgradeArguments {
    #[command(flatten)]
    how: MigrationArguments,
    #[command(flatten)]
    store: StoreArguments,
}

/// What a downgrade takes.
#[derive(Args, Debug)]
pub(crate) struct DowngradeArguments {
    /// The revision to go back to
    #[arg(value_name = "REVISION")]
    revision: u32,
    #[command(flatten)]
    how: MigrationArguments,
    #[command(flatten)]
    store: StoreArguments,
}

/// How migrations are applied.
#[derive(Args, Debug)]
struct MigrationArguments {
    /// Count what would be read and written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

pub(super) async fn run(command: StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Init(arguments) => init(&arguments.open_or_make().await?).await,
        StoreCommand::Status(arguments) => status(&arguments.open().await?).await,
        StoreCommand::Upgrade(arguments) => upgrade(&arguments.store.open().await?, &arguments.how).await,
        StoreCommand::Downgrade(arguments) => {
            downgrade(&arguments.store.open().await?, arguments.revision, &arguments.how).await
        }
        StoreCommand::History(arguments) => history(&arguments.open().await?).await,
        StoreCommand::Reset(arguments) => reset(&arguments.open_to_empty().await?).await,
    }
}

async fn init(target: &Target) -> Result<(), Failure> {
    let (made_master_key, TableVersion { revision, .. }) = target.initialise().await?;
    if made_master_key {
        terminal::note("made a master key");
    }
    let pending = target.migrations().status().await?.pending.len();
    let next = if pending == 0 { "" } else { "; run `tidegate store upgrade`" };
    terminal::print(&format!("the store of {} is at revision {revision}{next}\n", target.name))?;
    Ok(())
}

async fn status(target: &Target) -> Result<(), Failure> {
    let status = target.migrations().status().await?;
    let mut lines = vec![("store", target.name.clone())];
    lines.push(match status.version {
        Some(TableVersion { revision, needs_code }) => {
            ("revision", format!("{revision}, for code of revision {needs_code} and later"))
        }
        None => ("revision", "none: run `tidegate store init`".to_owned()),
    });
    lines.push(("this tidegate", format!("revision {}", status.newest)));
    let pending = status.pending.iter().map(|(revision, name)| format!("{revision} {name}")).collect::<Vec<_>>();
    lines.push(("pending", if pending.is_empty() { "nothing".to_owned() } else { pending.join(", ") }));
    if let Some(reason) = &status.too_new {
        lines.push(("too new", reason.clone()));
    }
    if let Some(it) = &status.underway {
        let (verb, since) = (verb(it.direction), time(it.started_at));
        let text = format!("{verb} {} {}: read {}, wrote {}, since {since}", it.revision, it.name, it.read, it.written);
        lines.push(("under way", text));
    }
    if let Some(holder) = &status.holder {
        lines.push(("locked", format!("by {} until {}", holder.operator, time(holder.until))));
    }
    let text: String = lines.into_iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect();
    terminal::print(&terminal::printable(&text))?;
    Ok(())
}

async fn upgrade(target: &Target, how: &MigrationArguments) -> Result<(), Failure> {
    let migrations = target.migrations();
    if how.dry_run {
        return print_planned(&migrations.plan_upgrade().await?);
    }
    let status = migrations.status().await?;
    if !how.yes && status.version.is_some() && !status.pending.is_empty() {
        let names = status.pending.iter().map(|(revision, name)| format!("{revision} {name}")).collect::<Vec<_>>();
        ask(&format!("apply {} to {}?", names.join(", "), target.name))?;
    }
    print_applied(&migrations.upgrade().await?)
}

async fn downgrade(target: &Target, revision: u32, how: &MigrationArguments) -> Result<(), Failure> {
    let migrations = target.migrations();
    if how.dry_run {
        return print_planned(&migrations.plan_downgrade(revision).await?);
    }
    if !how.yes {
        ask(&format!("take {} back to revision {revision}?", target.name))?;
    }
    print_applied(&migrations.downgrade(revision).await?)
}

async fn history(target: &Target) -> Result<(), Failure> {
    let history = target.migrations().history().await?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["FINISHED", "MIGRATION", "READ", "WRITTEN", "SECONDS", "BY"]);
    for AppliedMigration { progress: it, finished_at, operator } in history {
        let seconds = (finished_at - it.started_at).num_milliseconds() as f64 / 1000.0;
        table.add_row([
            time(finished_at),
            format!("{} {} {}", verb(it.direction), it.revision, it.name),
            it.read.to_string(),
            it.written.to_string(),
            format!("{seconds:.1}"),
            operator,
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    terminal::print(&format!("{}\n", terminal::printable(&table.trim_fmt())))?;
    Ok(())
}

async fn reset(target: &Target) -> Result<(), Failure> {
    let name = &target.name;
    if target.protected {
        return Err(Failure::message(format!(
            "{name} is protected: set deploy.protected to false and deploy that first"
        )));
    }
    terminal::note(format_args!("This deletes every tenant of {name}, and all that they have. Type {name} to do it:"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() != name {
        return Err(Failure::message("nothing was changed"));
    }
    let deleted = target.migrations().reset().await?;
    terminal::print(&format!("deleted {deleted} items; `tidegate store init` makes it usable again\n"))?;
    Ok(())
}

fn print_planned(planned: &[PlannedMigration]) -> Result<(), Failure> {
    let line = |it: &PlannedMigration| {
        let PlannedMigration { revision, name, direction, read, written } = it;
        format!("would {} {revision} {name}: reads {read}, writes {written}\n", verb(*direction))
    };
    print_or_nothing(planned.iter().map(line).collect())
}

fn print_applied(applied: &[AppliedMigration]) -> Result<(), Failure> {
    let line = |AppliedMigration { progress: it, .. }: &AppliedMigration| {
        format!("{} {} {}: read {}, wrote {}\n", verb(it.direction), it.revision, it.name, it.read, it.written)
    };
    print_or_nothing(applied.iter().map(line).collect())
}

fn print_or_nothing(lines: String) -> Result<(), Failure> {
    terminal::print(if lines.is_empty() { "nothing to do\n" } else { &lines })?;
    Ok(())
}

fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "apply",
        Direction::Down => "take back",
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
