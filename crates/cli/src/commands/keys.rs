//! `tidegate keys`: API keys.

use std::num::NonZeroU64;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use serde::Deserialize;
use serde_json::json;
use tidegate_core::{
    Name,
    budget::Limits,
    principal::{Role, Scope},
};

use crate::{
    client::{ApiArguments, Client, understood},
    failure::Failure,
    terminal,
};

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it; it is shown this once
    Create(CreateArguments),
    /// List the keys, without their secrets
    List(ListArguments),
    /// End a key for good
    Revoke(RevokeArguments),
}

/// The key to make.
#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// Its name
    name: Name,
    /// What it may do
    #[arg(long, value_enum, default_value_t = RoleArgument::Runner)]
    role: RoleArgument,
    /// A server it is narrowed to; may be given several times
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<Name>,
    /// A query it is narrowed to; may be given several times
    #[arg(long = "query", value_name = "NAME")]
    queries: Vec<Name>,
    /// When it stops working, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<DateTime<Utc>>,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    api: ApiArguments,
}

/// The [`Limits`] of a key, as the command line takes them.
#[derive(Args, Debug)]
struct LimitArguments {
    /// The most rows of a page that it gets
    #[arg(long, value_name = "NUMBER")]
    max_rows: Option<NonZeroU64>,
    /// The most bytes of a page that it gets
    #[arg(long, value_name = "NUMBER")]
    max_bytes: Option<NonZeroU64>,
    /// The most bytes of a cell that it gets
    #[arg(long, value_name = "NUMBER")]
    max_cell_bytes: Option<NonZeroU64>,
    /// The most milliseconds of each of its calls
    #[arg(long, value_name = "NUMBER")]
    max_time_ms: Option<NonZeroU64>,
}

impl From<LimitArguments> for Limits {
    fn from(arguments: LimitArguments) -> Self {
        let LimitArguments { max_rows, max_bytes, max_cell_bytes, max_time_ms } = arguments;
        Self { rows: max_rows, bytes: max_bytes, cell_bytes: max_cell_bytes, time_ms: max_time_ms }
    }
}

/// The roles of [`Role`], as the command line offers them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArgument {
    /// Sees what is registered
    Viewer,
    /// Runs queries too
    Runner,
    /// Writes queries and servers too
    Editor,
    /// Registers sources and manages keys too
    Admin,
    /// May do everything
    Owner,
}

impl From<RoleArgument> for Role {
    fn from(argument: RoleArgument) -> Self {
        match argument {
            RoleArgument::Viewer => Self::Viewer,
            RoleArgument::Runner => Self::Runner,
            RoleArgument::Editor => Self::Editor,
            RoleArgument::Admin => Self::Admin,
            RoleArgument::Owner => Self::Owner,
        }
    }
}

/// The list to print.
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    api: ApiArguments,
}

/// The key to revoke.
#[derive(Args, Debug)]
pub(crate) struct RevokeArguments {
    /// Its name or id
    #[arg(value_name = "NAME")]
    which: String,
    #[command(flatten)]
    api: ApiArguments,
}

/// A key as the server shows it.
#[derive(Deserialize)]
struct KeyView {
    name: Name,
    role: Role,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    revoked_at: Option<DateTime<Utc>>,
    /// The key itself, in the answer that made it.
    #[serde(default)]
    key: Option<String>,
}

pub(super) async fn run(command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Create(arguments) => create(arguments).await,
        KeysCommand::List(arguments) => list(arguments).await,
        KeysCommand::Revoke(arguments) => revoke(arguments).await,
    }
}

async fn create(arguments: CreateArguments) -> Result<(), Failure> {
    let CreateArguments { name, role, servers, queries, expires_at, limits, api } = arguments;
    let body = json!({
        "name": name, "role": Role::from(role), "scope": Scope { servers, queries }, "limits": Limits::from(limits),
        "expires_at": expires_at,
    });
    let view: KeyView = understood(Client::new(&api)?.post(&["keys"], &body).await?)?;
    let key = view.key.ok_or_else(|| Failure::message("the server made the key but did not show it"))?;
    terminal::note(format_args!("made the key `{}`; it is shown this once:", view.name));
    // Alone on the standard output, so that a script can keep it.
    terminal::print(&format!("{key}\n"))?;
    Ok(())
}

async fn list(arguments: ListArguments) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "ROLE", "SCOPE", "LIMITS", "STATE"]);
    for view in Client::new(&arguments.api)?.list("keys").await? {
        let view: KeyView = understood(view)?;
        let state = match (view.revoked_at, view.expires_at) {
            (Some(at), _) => format!("revoked {at:?}"),
            (None, Some(at)) if at <= Utc::now() => format!("expired {at:?}"),
            (None, Some(at)) => format!("until {at:?}"),
            (None, None) => "valid".to_owned(),
        };
        let (scope, limits) = (scope_text(&view.scope), limits_text(&view.limits));
        table.add_row([view.name.as_str(), view.role.as_str(), &scope, &limits, &state]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    terminal::print(&format!("{}\n", table.trim_fmt()))?;
    Ok(())
}

fn scope_text(scope: &Scope) -> String {
    if scope.is_everything() {
        return "everything".to_owned();
    }
    let servers = scope.servers.iter().map(|name| format!("server {name}"));
    let queries = scope.queries.iter().map(|name| format!("query {name}"));
    servers.chain(queries).collect::<Vec<_>>().join(", ")
}

fn limits_text(limits: &Limits) -> String {
    let Limits { rows, bytes, cell_bytes, time_ms } = *limits;
    let named = [("rows", rows), ("bytes", bytes), ("cell_bytes", cell_bytes), ("time_ms", time_ms)];
    let set = named.into_iter().filter_map(|(name, limit)| Some(format!("{name} {}", limit?))).collect::<Vec<_>>();
    if set.is_empty() { "none".to_owned() } else { set.join(", ") }
}

async fn revoke(arguments: RevokeArguments) -> Result<(), Failure> {
    Client::new(&arguments.api)?.delete(&["keys", &arguments.which], None).await?;
    terminal::print(&format!("revoked: {}\n", arguments.which))?;
    Ok(())
}
