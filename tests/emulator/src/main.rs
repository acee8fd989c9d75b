//! The emulator as a program, for functions that run on this machine.

use std::{error::Error, net::SocketAddr, path::PathBuf};

use clap::Parser;
use emulator::Emulator;
use tokio::net::TcpListener;

/// A DynamoDB and a Secrets Manager on one port of this machine.
#[derive(Parser)]
struct Arguments {
    /// Where to listen. Nobody's signature is checked: leave it on loopback.
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// The folder to keep the data in; without it all is gone with the process.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { listen, data_dir } = Arguments::parse();
    if let Some(folder) = &data_dir {
        std::fs::create_dir_all(folder)?;
    }
    let emulator = Emulator::start(TcpListener::bind(listen).await?, data_dir.as_deref())?;
    eprintln!("listening on {}", emulator.url());
    Ok(emulator.serve().await?)
}
