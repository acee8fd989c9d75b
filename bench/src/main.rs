//! Measures a release build of Tidegate through HTTP on loopback, with everything on, and beside it MCP Toolbox when
//! that is installed. It prints a Markdown table for `bench/README.md`.

#![expect(clippy::print_stdout, reason = "the table is the product of this program")]

mod load;
mod peer;
mod process;
mod tidegate;

use std::error::Error;

use load::{Measure, Request, measure};

/// What a measurement may fail with.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The statement over the demo data; the peer runs the same.
pub(crate) const SQLITE_ROWS: &str = "SELECT carrier, flight, origin, dest, dep_delay FROM flights LIMIT ";

/// The statement over PostgreSQL.
pub(crate) const POSTGRES_ROWS: &str = "SELECT g AS id, 'item ' || g AS name, g * 3 AS amount, g % 7 AS kind, \
                                        g % 2 = 0 AS even FROM generate_series(1, 1000) AS g LIMIT ";

/// How many calls a case makes, by the rows of each.
pub(crate) fn calls(rows: u32) -> u32 {
    if rows >= 1000 { 1_500 } else { 6_000 }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir()?;
    let ours = tidegate::start(folder.path()).await?;
    println!(
        "Tidegate: start to first row {} ms, idle RSS {} MB, binary {} MB",
        ours.first_row_ms, ours.idle_mb, ours.binary_mb
    );
    println!("\n| case | CPU µs a call | calls a second | p50 ms | p99 ms | bytes |\n|---|---|---|---|---|---|");
    for case in ours.cases() {
        print(&case, &measure(&case, &ours.process).await?);
    }
    match peer::start(folder.path()).await? {
        Some(peer) => {
            println!("\nMCP Toolbox: start to first row {} ms, idle RSS {} MB\n", peer.first_row_ms, peer.idle_mb);
            println!("| case | CPU µs a call | calls a second | p50 ms | p99 ms | bytes |\n|---|---|---|---|---|---|");
            for case in peer.cases() {
                print(&case, &measure(&case, &peer.process).await?);
            }
        }
        None => println!(
            "\nMCP Toolbox is not installed (`pip install toolbox-server`, then TOOLBOX=…/toolbox_server/bin/toolbox)."
        ),
    }
    Ok(())
}

fn print(case: &Request, measured: &Measure) {
    let Measure { cpu_us, per_second, p50_ms, p99_ms, bytes } = measured;
    println!("| {} | {cpu_us:.0} | {per_second:.0} | {p50_ms:.2} | {p99_ms:.2} | {bytes} |", case.name);
}
