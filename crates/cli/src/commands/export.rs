//! `tidegate export`: what the server has, as a file that `plan` finds unchanged.

use clap::Args;
use serde_json::{Value as Json, json};

use crate::{
    client::{ApiArguments, Client},
    entity::{self, Kind, Live},
    failure::Failure,
    terminal, yaml,
};

/// What is exported.
#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    api: ApiArguments,
}

pub(super) async fn run(arguments: ExportArguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.api)?;
    let mut live = entity::live(&client).await?;
    // By name, so that two exports of the same state are the same file.
    live.sort_by(|a, b| (a.entity.kind, &a.entity.name).cmp(&(b.entity.kind, &b.entity.name)));
    let mut file = String::new();
    for kind in Kind::ALL {
        let mut items = live.iter().filter(|live| live.entity.kind == kind).peekable();
        if items.peek().is_some() {
            file.push_str(kind.list());
            file.push_str(":\n");
        }
        for live in items {
            file.push_str(&item(live)?);
        }
    }
    terminal::print(&file)?;
    Ok(())
}

fn item(live: &Live) -> Result<String, Failure> {
    let mut fields = live.entity.fields.clone();
    fields.retain(|field, value| field == "description" || !is_default(value));
    let mut item = yaml::write(&json!([fields]))?;
    if live.has_credentials {
        let variable = live.entity.name.to_uppercase().replace('-', "_");
        item.push_str(&format!("  # credentials:\n  #   password: ${{{variable}_PASSWORD}}\n"));
    }
    Ok(item)
}

/// Empty lists and mappings, and `false`, are the defaults of every field that may hold them.
fn is_default(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        Json::Bool(value) => !value,
        _ => false,
    }
}
