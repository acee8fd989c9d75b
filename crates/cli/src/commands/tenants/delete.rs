//! `tidegate tenants delete`.

use std::{collections::HashSet, io, time::Duration};

use clap::Args;
use tidegate_core::{
    Name,
    name::nearest,
    ports::{self, Clock, MAX_PAGE, Repository, Tenants, Vault},
    source::Source,
    tenant::Tenant,
};
use tidegate_store::SystemClock;

use crate::{commands::store::target::StoreArguments, failure::Failure, terminal};

/// Which tenant is deleted.
#[derive(Args, Debug)]
pub(crate) struct DeleteArguments {
    /// Its name
    name: Name,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreArguments,
}

/// How long a call may last that was let in before: a gateway waits for 30 seconds (API Gateway quotas, "maximum integration
/// timeout").
const LONGEST_CALL: Duration = Duration::from_secs(30);

pub(super) async fn run(DeleteArguments { name, yes, store }: DeleteArguments) -> Result<(), Failure> {
    let target = store.open().await?;
    target.store.check_version().await?;
    let vault = target.vault()?;
    let tenants: &dyn Tenants = &target.store;
    let Some(tenant) = tenants.find(&name).await? else { return Err(unknown(&name, tenants).await?) };
    if !yes {
        terminal::note(format_args!(
            "This deletes the tenant {name} of {}, and all that it has. Type {name} to do it:",
            target.name
        ));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if answer.trim() != name.as_str() {
            return Err(Failure::message("nothing was changed"));
        }
    }
    tenants.close(&tenant, SystemClock.now()).await?;
    if let Some(cached_for) = target.cached_for {
        let wait = cached_for + LONGEST_CALL;
        terminal::note(format_args!(
            "{name} has no keys any more. Processes may remember one for {} seconds (`cache_seconds`), and go on with a call \
             that they let in; waiting {} seconds for the last. If this is broken off, say it again.",
            cached_for.as_secs(),
            wait.as_secs()
        ));
        tokio::time::sleep(wait).await;
    }
    let secrets = forget_secrets(&tenant, &target.store, &*vault).await?;
    let items = tenants.remove(&tenant).await?;
    terminal::print(&format!("deleted the tenant `{name}`: {items} items, {secrets} secrets\n"))?;
    Ok(())
}

/// Forgets the secrets of a tenant's sources, and counts them. What the vault lists may be a moment old, so what the sources
/// refer to is forgotten too; it goes first, for the sources are still there when this is broken off.
async fn forget_secrets(
    tenant: &Tenant,
    sources: &dyn Repository<Source>,
    vault: &dyn Vault,
) -> Result<usize, Failure> {
    let sources = ports::all(sources, tenant.id).await?;
    let mut secrets: HashSet<_> = sources.iter().filter_map(|source| source.secret.clone()).collect();
    secrets.extend(vault.list(tenant.id).await?);
    for secret in &secrets {
        vault.delete(secret).await?;
    }
    Ok(secrets.len())
}

async fn unknown(name: &Name, tenants: &dyn Tenants) -> Result<Failure, Failure> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = tenants.page(after, MAX_PAGE).await?;
        names.extend(page.items.iter().map(|tenant| tenant.name.clone()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let near = nearest(name.as_str(), names.iter().map(Name::as_str));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Ok(Failure::message(format!("there is no tenant `{name}`{hint}")))
}
