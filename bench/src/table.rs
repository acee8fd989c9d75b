//! The tables of `bench/README.md`, and whether what was measured is within its mark.

use crate::load::{Measure, Request};

/// The most processor time of a call in microseconds, by the rows of its answer.
pub(crate) fn cpu_mark(rows: u32) -> f64 {
    match rows {
        0..=1 => 70.0,
        2..=100 => 250.0,
        _ => 1_500.0,
    }
}

/// What a mark came to.
fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

/// The head of the table of cases.
pub(crate) fn print_head() {
    println!(
        "\n| case | CPU µs a call | mark | | of the peer's | calls a second | p50 ms | p95 ms | p99 ms | bytes | of the peer's |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    );
}

/// A case, with the most processor time that it should take, and what the peer took for the same.
pub(crate) fn print_case(case: &Request, mark: Option<f64>, ours: &Measure, peer: Option<&Measure>) {
    let Measure { cpu_us, per_second, p50_ms, p95_ms, p99_ms, bytes, errors } = ours;
    let ratio = |of: &dyn Fn(&Measure) -> f64| peer.map(|peer| of(ours) / of(peer));
    let cpu_ratio = ratio(&|measure| measure.cpu_us);
    let shown = |ratio: Option<f64>| ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let outcome = mark.map(|mark| met(*cpu_us <= mark && cpu_ratio.is_none_or(|ratio| ratio < 1.0)));
    println!(
        "| {} | {cpu_us:.0} | {} | {} | {} | {per_second:.0} | {p50_ms:.2} | {p95_ms:.2} | {p99_ms:.2} | {bytes} | {} |",
        case.name,
        mark.map(|mark| format!("{mark:.0}")).unwrap_or_default(),
        outcome.unwrap_or_default(),
        shown(cpu_ratio),
        shown(ratio(&|measure| measure.bytes as f64)),
    );
    if *errors > 0 {
        println!("| **{errors} errors** |");
    }
}

/// The head of the table of single figures.
pub(crate) fn print_figures_head() {
    println!("\n| figure | measured | mark | |\n|---|---|---|---|");
}

/// A figure, and the most that it should be, both in the same unit.
pub(crate) fn print_figure(name: &str, measured: f64, mark: Option<f64>, unit: &str) {
    let digits = if measured < 10.0 && measured.fract() != 0.0 { 1 } else { 0 };
    let of_mark = mark.map(|mark| (format!("{mark:.0} {unit}"), met(measured <= mark))).unwrap_or_default();
    println!("| {name} | {measured:.digits$} {unit} | {} | {} |", of_mark.0, of_mark.1);
}
