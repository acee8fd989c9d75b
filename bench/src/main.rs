//! Measures a release build of Tidegate through HTTP on loopback, with everything on, and beside it MCP Toolbox when
//! that is installed. It prints the tables of `bench/README.md`.
//!
//! With words as arguments, it runs the cases whose names hold one of them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tables are the product of this program")]

mod compiler;
mod load;
mod peer;
mod process;
mod table;
mod tidegate;

use std::{env, error::Error, fmt};

use load::measure;

/// What a measurement may fail with.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The statement over the demo data; the peer runs the same.
pub(crate) const SQLITE_ROWS: &str = "SELECT carrier, flight, origin, dest, dep_delay FROM flights LIMIT ";

/// The statement over PostgreSQL.
pub(crate) const POSTGRES_ROWS: &str = "SELECT g AS id, 'item ' || g AS name, g * 3 AS amount, g % 7 AS kind, \
                                        g % 2 = 0 AS even FROM generate_series(1, 1000) AS g LIMIT ";

/// How many clients call at once.
pub(crate) const CLIENTS: u32 = 16;

/// How many calls a case makes, by the rows of each.
pub(crate) fn calls(rows: u32) -> u32 {
    if rows >= 1000 { 3_200 } else { 12_800 }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The tool that gives rows of it.
    pub(crate) fn tool(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite_rows",
            Self::Postgres => "pg_rows",
        }
    }
}

/// A case that Tidegate and the peer have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) engine: Engine,
    pub(crate) rows: u32,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.rows == 1 { "row" } else { "rows" };
        let engine = match self.engine {
            Engine::Sqlite => "SQLite",
            Engine::Postgres => "PostgreSQL",
        };
        write!(f, "MCP {} {rows} {engine}", self.rows)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<String> = env::args().skip(1).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));

    let folder = tempfile::tempdir()?;
    let ours = tidegate::start(folder.path()).await?;
    let peer = peer::start(folder.path()).await?;
    if peer.is_none() {
        eprintln!(
            "MCP Toolbox is not installed (`pip install toolbox-server`, then TOOLBOX=…/toolbox_server/bin/toolbox)."
        );
    }

    table::print_head();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        for rows in [1, 100, 1000] {
            let case = Case { engine, rows };
            let request = ours.shared(&case);
            if wanted(&request.name) {
                let measured = measure(&request, &ours.process).await?;
                let of_peer = match &peer {
                    Some(peer) => Some(measure(&peer::request(&case), &peer.process).await?),
                    None => None,
                };
                table::print_case(&request, Some(table::cpu_mark(rows)), &measured, of_peer.as_ref());
            }
        }
    }
    for (request, mark) in ours.own() {
        if wanted(&request.name) {
            table::print_case(&request, mark, &measure(&request, &ours.process).await?, None);
        }
    }

    table::print_figures_head();
    if wanted("guard and compiler") {
        let compiler::Cost { warm_us, cold_us, raw_us, length } = compiler::measure()?;
        table::print_figure("guard and compiler, warm", warm_us, Some(10.0), "µs");
        table::print_figure(&format!("guard and compiler, cold, {length} bytes"), cold_us, Some(300.0), "µs");
        table::print_figure(&format!("guard alone, raw SQL of {length} bytes"), raw_us, Some(300.0), "µs");
    }
    if wanted("200 callers") {
        let crowd = measure(&ours.crowd(), &ours.process).await?;
        let name = "200 callers, 20 sessions, a query of 20 ms";
        table::print_figure(&format!("{name}: p50"), crowd.p50_ms, None, "ms");
        table::print_figure(&format!("{name}: p95"), crowd.p95_ms, Some(500.0), "ms");
        table::print_figure(&format!("{name}: p99"), crowd.p99_ms, None, "ms");
        table::print_figure(&format!("{name}: errors"), crowd.errors as f64, Some(0.0), "");
    }
    table::print_figure("resident memory, the most in all of this", ours.process.peak_mb()? as f64, Some(100.0), "MB");

    println!("\n| | Tidegate | MCP Toolbox |\n|---|---|---|");
    let of_peer = |figure: &dyn Fn(&peer::Peer) -> String| peer.as_ref().map(figure).unwrap_or_default();
    println!(
        "| start to first row | {} ms | {} |",
        ours.first_row_ms,
        of_peer(&|peer| format!("{} ms", peer.first_row_ms))
    );
    println!("| idle resident memory | {} MB | {} |", ours.idle_mb, of_peer(&|peer| format!("{} MB", peer.idle_mb)));
    println!("| binary | {} MB | |", ours.binary_mb);
    Ok(())
}
