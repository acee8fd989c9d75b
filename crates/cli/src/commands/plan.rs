//! `tidegate plan`: what `apply` would change.

use clap::Args;

use super::{FileArguments, validate};
use crate::{
    client::{ApiArguments, Client},
    diff,
    entity::{self, desired},
    failure::Failure,
    plan::{Permissions, Plan},
    terminal,
};

/// What is compared.
#[derive(Args, Debug)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(super) files: FileArguments,
    #[command(flatten)]
    pub(super) permissions: PermissionArguments,
    #[command(flatten)]
    pub(super) api: ApiArguments,
}

/// What may change beyond what is declared.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct PermissionArguments {
    /// Delete what the server has and no file declares
    #[arg(long)]
    prune: bool,
    /// Send the declared credentials of sources that have some already; nobody can see whether they differ
    #[arg(long)]
    update_credentials: bool,
}

impl From<PermissionArguments> for Permissions {
    fn from(arguments: PermissionArguments) -> Self {
        let PermissionArguments { prune, update_credentials } = arguments;
        Self { prune, update_credentials }
    }
}

pub(super) async fn run(arguments: PlanArguments) -> Result<(), Failure> {
    let declaration = validate::load_valid(&arguments.files.files)?;
    let client = Client::new(&arguments.api)?;
    let (desired, live) = (desired(&declaration)?, entity::live(&client).await?);
    let plan = Plan::new(&desired, &live, arguments.permissions.into());
    terminal::print(&diff::render(&plan)?)?;
    plan.expect_room(&live, &entity::quotas(&client).await?)
}
