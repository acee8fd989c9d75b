//! `tidegate tenants`: the tenants of a deployment, for who operates it.

mod delete;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use secrecy::{ExposeSecret, SecretString};
use tidegate_core::{Name, ports::MAX_PAGE, tenant::Tenant};
use tidegate_platform::{Environment, Platform};

use super::store::target::StoreArguments;
use crate::{failure::Failure, owner, terminal};

/// What is done with tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantsCommand {
    /// Make a tenant, and print its owner's API key; it is shown this once
    Create(TenantArguments),
    /// Make another API key for the owner of a tenant, and print it
    Key(TenantArguments),
    /// Delete a tenant with all that it has, its secrets and its history too
    Delete(delete::DeleteArguments),
    /// List the tenants
    List(StoreArguments),
}

/// One tenant.
#[derive(Args, Debug)]
pub(crate) struct TenantArguments {
    /// Its name
    name: Name,
    #[command(flatten)]
    store: StoreArguments,
}

pub(super) async fn run(command: TenantsCommand) -> Result<(), Failure> {
    match command {
        TenantsCommand::Create(arguments) => create(arguments).await,
        TenantsCommand::Key(arguments) => key(arguments).await,
        TenantsCommand::Delete(arguments) => delete::run(arguments).await,
        TenantsCommand::List(arguments) => list(&arguments).await,
    }
}

async fn create(TenantArguments { name, store }: TenantArguments) -> Result<(), Failure> {
    let platform = platform(&store).await?;
    let (tenant, key) = owner::make_tenant(&platform, name).await?;
    print_key("made the tenant", &tenant, &key)
}

async fn key(TenantArguments { name, store }: TenantArguments) -> Result<(), Failure> {
    let platform = platform(&store).await?;
    let tenant = platform.tenants.find(&name).await?;
    let tenant = tenant.ok_or_else(|| Failure::message(format!("there is no tenant `{name}`")))?;
    let key = owner::make_key(&platform, &tenant).await?;
    print_key("made a key for the owner of", &tenant, &key)
}

/// The deployment, as far as tenants and keys go.
async fn platform(store: &StoreArguments) -> Result<Platform, Failure> {
    let store = store.open().await?.store;
    store.check_version().await?;
    Ok(Platform::new(Environment::default(), store))
}

fn print_key(done: &str, tenant: &Tenant, key: &SecretString) -> Result<(), Failure> {
    terminal::note(format_args!("{done} `{}`; its owner's key is shown this once:", tenant.name));
    // Alone on the standard output, so that a script can keep it.
    terminal::print(&format!("{}\n", key.expose_secret()))?;
    Ok(())
}

async fn list(store: &StoreArguments) -> Result<(), Failure> {
    let platform = platform(store).await?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "ID", "MADE", ""]);
    let mut after = None;
    loop {
        let page = platform.tenants.page(after, MAX_PAGE).await?;
        for tenant in page.items {
            let made = format!("{:?}", tenant.created_at);
            let state = if tenant.is_closed() { "being deleted" } else { "" };
            table.add_row([tenant.name.as_str(), &tenant.id.to_string(), &made, state]);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    terminal::print(&format!("{}\n", table.trim_fmt()))?;
    Ok(())
}
