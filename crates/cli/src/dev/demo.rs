//! The demo: a real data set, and useful queries over it.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

use flate2::read::GzDecoder;
use reqwest::Url;
use secrecy::SecretString;

use crate::{
    client::Client,
    commands::{apply::send, validate::load_valid},
    entity::{self, desired},
    failure::Failure,
    plan::{Permissions, Plan},
};

/// The name of the demo server.
pub(super) const SERVER: &str = "flights";

const DATA: &[u8] = include_bytes!("../../../../config/examples/flights/flights.sqlite.gz");
const DECLARATION: &str = include_str!("../../../../config/examples/flights.yaml");

/// Puts the data set and its declaration into the data folder, and applies the declaration as any client would. The
/// declaration gets its name last, so that a start that was broken off is made good by the next.
pub(super) async fn seed(folder: &Path, base: &Url, key: &SecretString) -> Result<(), Failure> {
    let (declared, underway) = (folder.join("flights.yaml"), folder.join(".flights.yaml"));
    if declared.exists() {
        return Ok(());
    }
    let fault = |error: io::Error| {
        Failure::message(format!("cannot unpack the demo data into `{}`: {error}", folder.display()))
    };
    unpack(&folder.join("flights.sqlite")).and_then(|()| fs::write(&underway, DECLARATION)).map_err(fault)?;
    let declaration = load_valid(std::slice::from_ref(&underway))?;
    let client = Client::to(base.clone(), key.clone())?;
    let (desired, live) = (desired(&declaration)?, entity::live(&client).await?);
    let plan = Plan::new(&desired, &live, Permissions { prune: false, update_credentials: false });
    for change in &plan.changes {
        send(&client, change).await?;
    }
    fs::rename(underway, declared).map_err(fault)
}

fn unpack(path: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    GzDecoder::new(DATA).read_to_end(&mut bytes)?;
    fs::File::create(path)?.write_all(&bytes)
}
