//! The corpus of the guard: every statement has the class that its line says.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use tidegate_core::{ErrorCode, query::Mode};
use tidegate_statement::{Dialect, Statement};

fn unescaped(text: &str) -> String {
    let mut unescaped = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        unescaped.push_str(before);
        let (character, used) = match after.as_bytes()[0] {
            b'n' => ('\n', 1),
            b'r' => ('\r', 1),
            b'f' => ('\u{c}', 1),
            b'0' if !after.starts_with("00") => ('\0', 1),
            b'\\' => ('\\', 1),
            b'u' => {
                let (digits, _) = after[2..].split_once('}').unwrap();
                (char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap(), digits.len() + 3)
            }
            _ => ('\\', 0),
        };
        unescaped.push(character);
        rest = &after[used..];
    }
    unescaped + rest
}

/// The lines of a corpus: the number, the dialect and the rest.
fn cases(corpus: &str) -> impl Iterator<Item = (usize, Dialect, &str)> {
    corpus.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(index, line)| {
        let (dialect, rest) = line.split_once(' ').unwrap();
        let dialect = match dialect {
            "postgres" => Dialect::Postgres,
            "mysql" => Dialect::Mysql,
            "sqlite" => Dialect::Sqlite,
            other => panic!("line {}: {other} is no dialect", index + 1),
        };
        (index + 1, dialect, rest.trim_start())
    })
}

#[test]
fn what_does_more_than_read_is_refused() {
    let mut wrong = Vec::new();
    for (line, dialect, rest) in cases(include_str!("guard/refused.txt")) {
        let (expected, text) = rest.split_once(' ').unwrap();
        let found = match Statement::raw(&unescaped(text.trim_start()), dialect) {
            Ok(statement) => {
                let refused = statement.require(Mode::Read).is_err_and(|e| e.code() == ErrorCode::StatementNotAllowed);
                assert_eq!(refused, statement.class().as_str() != "read", "line {line}");
                statement.class().as_str()
            }
            Err(error) if error.code() == ErrorCode::InvalidStatement => "invalid",
            Err(error) => panic!("line {line}: {error:?}"),
        };
        if found != expected {
            wrong.push(format!("line {line}: {found}, not {expected}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_reads_is_accepted() {
    let mut wrong = Vec::new();
    for (line, dialect, text) in cases(include_str!("guard/accepted.txt")) {
        match Statement::raw(&unescaped(text), dialect).and_then(|statement| statement.require(Mode::Read)) {
            Ok(()) => {}
            Err(error) => wrong.push(format!("line {line}: {text}: {error:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn long_and_deep_statements_neither_overflow_nor_stall() {
    let nested = |opening: &str, closing: &str, depth: usize| opening.repeat(depth) + "1" + &closing.repeat(depth);
    let texts = [
        format!("SELECT {}", nested("(", ")", 90)),
        format!("SELECT {}", nested("(", ")", 5_000)),
        format!("SELECT * FROM {}", nested("(a JOIN ", " ON 1=1)", 90)),
        format!("SELECT * FROM {}", "(".repeat(90)),
        format!("SELECT 1 WHERE {}", nested("EXISTS (SELECT ", ")", 90)),
        format!("SELECT {}", nested("CASE WHEN ", " THEN 1 END", 2_000)),
        format!("SELECT {}1", "NOT ".repeat(5_000)),
        format!("SELECT 1{}", " + 1".repeat(10_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(5_000)),
        format!("SELECT * FROM a{}", " JOIN b".repeat(490)),
        format!("SELECT * FROM a{}", " JOIN b".repeat(10_000)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(5_000)),
        format!("SELECT {}", "'/*!' || ".repeat(10_000)),
        format!("SELECT {}", "?, :a, ".repeat(100_000)),
    ];
    let begun = Instant::now();
    for text in &texts {
        for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
            if let Err(error) = Statement::raw(text, dialect) {
                assert_eq!(error.code(), ErrorCode::InvalidStatement);
            }
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
