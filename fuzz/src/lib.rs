#![doc = include_str!("../README.md")]

mod bytes;
mod cursor;
mod decode;
mod guard;
mod lexer;
mod seeds;
mod sqlite;
mod template;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tidegate_statement::Dialect;

/// A part of Tidegate that reads what others wrote, and the rules that its answers keep.
pub struct Target {
    /// The name of its folders in `corpus` and `regressions`, and of its binary.
    pub name: &'static str,
    check: fn(&[u8]),
    /// The inputs that fuzzing begins with, beside those that are kept.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Statements.
pub const GUARD: Target = Target { name: "guard", check: guard::check, seeds: seeds::statements };
/// Templates.
pub const TEMPLATE: Target = Target { name: "template", check: template::check, seeds: seeds::templates };
/// Cursors.
pub const CURSOR: Target = Target { name: "cursor", check: cursor::check, seeds: seeds::cursors };
/// The values of PostgreSQL.
pub const POSTGRES_DECODE: Target = Target { name: "postgres_decode", check: decode::check, seeds: seeds::values };
/// Every target.
pub const TARGETS: [Target; 4] = [GUARD, TEMPLATE, CURSOR, POSTGRES_DECODE];

/// How long an input of at most 64 KiB may take. Without optimisation, as in the tests, everything takes many times as long.
const LONGEST: Duration = Duration::from_secs(if cfg!(fuzzing) { 2 } else { 20 });

impl Target {
    /// Checks an input, and the time that it takes.
    ///
    /// # Panics
    /// When the input breaks a rule.
    pub fn run(&self, input: &[u8]) {
        let begun = Instant::now();
        (self.check)(input);
        assert!(begun.elapsed() < LONGEST, "{} bytes take {:?}", input.len(), begun.elapsed());
    }

    /// The folders of the inputs that are kept: those that reach the most code, and those that once broke a rule.
    pub fn kept(&self) -> [PathBuf; 2] {
        ["corpus", "regressions"].map(|kind| Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(self.name))
    }
}

/// The dialects that an input is for, by its first byte, and the rest of it as text.
fn dialects(input: &[u8]) -> (&'static [Dialect], String) {
    let (dialects, rest): (&'static [Dialect], &[u8]) = match input {
        [b'p', rest @ ..] => (&[Dialect::Postgres], rest),
        [b'm', rest @ ..] => (&[Dialect::Mysql], rest),
        [b's', rest @ ..] => (&[Dialect::Sqlite], rest),
        _ => (&[Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite], input),
    };
    (dialects, String::from_utf8_lossy(rest).into_owned())
}
