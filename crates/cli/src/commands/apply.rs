//! `tidegate apply`: the server is made to have what the files declare.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{ask, plan::PlanArguments, validate};
use crate::{
    client::{Client, understood},
    declaration::{Declaration, Origin},
    diagnostic::Diagnostic,
    diff,
    entity::{self, Kind, desired},
    failure::Failure,
    plan::{Action, Change, Plan},
    terminal,
};

/// What is applied.
#[derive(Args, Debug)]
pub(crate) struct ApplyArguments {
    #[command(flatten)]
    plan: PlanArguments,
    /// Do not ask; needed where nobody sits at a terminal
    #[arg(short = 'y', long)]
    yes: bool,
}

pub(super) async fn run(arguments: ApplyArguments) -> Result<(), Failure> {
    let declaration = validate::load_valid(&arguments.plan.files.files)?;
    let client = Client::new(&arguments.plan.api)?;
    let (desired, live) = (desired(&declaration)?, entity::live(&client).await?);
    let plan = Plan::new(&desired, &live, arguments.plan.permissions.into());
    terminal::print(&diff::render(&plan)?)?;
    if plan.changes.is_empty() {
        return Ok(());
    }
    plan.expect_room(&live, &entity::quotas(&client).await?)?;
    if !arguments.yes {
        ask("apply these changes?")?;
    }
    make(&client, &plan, &declaration).await
}

async fn make(client: &Client, plan: &Plan<'_>, declaration: &Declaration) -> Result<(), Failure> {
    let total = plan.changes.len();
    // It draws nothing unless the standard error is a terminal.
    let progress = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
        progress.set_style(style);
    }
    for (done, change) in plan.changes.iter().enumerate() {
        progress.set_message(format!("{} {}", change.kind, change.name));
        if let Err(failure) = send(client, change).await {
            progress.finish_and_clear();
            terminal::note(format_args!(
                "{done} of {total} changes were made; the {} `{}` was refused",
                change.kind, change.name
            ));
            return Err(located(failure, change, declaration));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    terminal::print("applied\n")?;
    Ok(())
}

/// What the server says of a query that it was sent.
#[derive(Deserialize)]
struct ChangedQuery {
    #[serde(default)]
    draft: Option<Json>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Makes one change.
pub(crate) async fn send(client: &Client, change: &Change<'_>) -> Result<(), Failure> {
    let list = change.kind.list();
    let body = || change.after.map_or(Json::Null, |after| after.body(change.sends_credentials));
    let answer = match change.action {
        Action::Create => client.post(&[list], &body()).await?,
        Action::Replace { version } => client.put(&[list, change.name], version, &body()).await?,
        Action::Publish { version } => client.publish(&[list, change.name, "publish"], version).await?,
        Action::Delete { version } => return client.delete(&[list, change.name], Some(version)).await,
    };
    if change.kind == Kind::Query {
        let ChangedQuery { draft, warnings } = understood(answer)?;
        for warning in warnings {
            terminal::note(format_args!("warning: {} {}: {warning}", change.kind, change.name));
        }
        if draft.is_some() {
            terminal::note(format_args!(
                "warning: {} {}: it is saved as a draft; apply again when its source is back",
                change.kind, change.name
            ));
        }
    }
    Ok(())
}

/// Gives the faults that the server found their places in the files.
fn located(failure: Failure, change: &Change<'_>, declaration: &Declaration) -> Failure {
    match (failure, origin(change, declaration)) {
        (Failure::Problem { mut problem, .. }, Some(origin)) => {
            let faults = problem.errors.drain(..);
            let at = faults.map(|fault| Diagnostic::error(origin, origin.place_of(&fault), fault.message)).collect();
            Failure::Problem { problem, at }
        }
        (failure, _) => failure,
    }
}

fn origin<'a>(change: &Change<'_>, declaration: &'a Declaration) -> Option<&'a Origin> {
    let Declaration { sources, queries, servers } = declaration;
    match change.kind {
        Kind::Source => sources.iter().find(|item| item.spec.name.as_str() == change.name).map(|item| &item.origin),
        Kind::Query => queries.iter().find(|item| item.spec.name.as_str() == change.name).map(|item| &item.origin),
        Kind::Server => servers.iter().find(|item| item.spec.name.as_str() == change.name).map(|item| &item.origin),
    }
}
