//! Statements that a guard should have kept away. Here they reach the session, which has to refuse them by itself.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tempfile::TempDir;
use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    result::{Column, Flow, RowSink},
    source::SqliteFile,
    value::Cell,
};
use tokio::runtime;

use super::Access;
use crate::{
    ConnectorConfig,
    sqlite::{connect::Pool, lent::Lent, run},
};

/// Keeps the first cell as text.
#[derive(Default)]
struct First(Option<String>);

#[async_trait::async_trait]
impl RowSink for First {
    fn columns(&mut self, _: Vec<Column>) -> Result<()> {
        Ok(())
    }
    fn cell(&mut self, cell: Cell<'_>) {
        self.0.get_or_insert_with(|| match cell {
            Cell::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        });
    }
    fn end_row(&mut self) -> Flow {
        Flow::Continue(())
    }
}

struct Fixture {
    folder: TempDir,
    pool: Pool,
    runtime: runtime::Runtime,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("data.sqlite")).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);
                 INSERT INTO t VALUES (1, 'one'), (2, 'two');
                 CREATE VIRTUAL TABLE words USING fts5 (word);
                 INSERT INTO words VALUES ('tide'), ('gate');
                 CREATE VIRTUAL TABLE places USING rtree (id, west, east);
                 INSERT INTO places VALUES (7, 1.0, 2.0);",
            )
            .unwrap();
        let other = Connection::open(folder.path().join("other.sqlite")).unwrap();
        other.execute_batch("CREATE TABLE secret (x); INSERT INTO secret VALUES ('classified');").unwrap();
        let file = SqliteFile { path: "data.sqlite".into(), max_sessions: 1 };
        let config = ConnectorConfig {
            sqlite_root: folder.path().to_owned(),
            sqlite_confined: true,
            ..ConnectorConfig::default()
        };
        let pool = Pool::new(&file, &config).unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { folder, pool, runtime }
    }

    fn run(&self, access: Access, text: &str) -> Result<Option<String>> {
        let call = self.pool.call(Deadline::after(Instant::now(), Duration::from_secs(20)));
        let sink = Lent::new(First::default());
        self.pool
            .with_session(access, &call, |session| run::run(session, text, &[], &sink, &call, self.runtime.handle()))
            .map(|()| self.runtime.block_on(sink.take_back()).unwrap().0)
    }

    fn refused(&self, access: Access, text: &str) -> Error {
        let begin = &text[..text.floor_char_boundary(80)];
        let before = contents(self.folder.path());
        let error = self.run(access, text).expect_err(begin);
        assert_eq!(contents(self.folder.path()), before, "{begin}");
        assert_eq!(self.run(access, "SELECT b FROM t WHERE a = 1").unwrap().as_deref(), Some("one"), "{begin}");
        error
    }
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

const NEVER: &[&str] = &[
    "ATTACH 'other.sqlite' AS other",
    "ATTACH DATABASE ':memory:' AS m",
    "ATTACH (SELECT 'x' || 'y') AS m",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO 'copy.sqlite'",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = WAL",
    "PRAGMA user_version = 7",
    "PRAGMA page_size = 512",
    "PRAGMA trusted_schema = ON",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA database_list",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA optimize",
    "SELECT load_extension('evil')",
    "SELECT LOAD_EXTENSION('evil', 'entry')",
    "SELECT fts3_tokenizer('simple')",
    "CREATE TABLE n (x)",
    "CREATE TEMP TABLE n (x)",
    "CREATE TABLE n AS SELECT * FROM t",
    "CREATE TEMP VIEW n AS SELECT 1",
    "CREATE TRIGGER n AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "CREATE VIRTUAL TABLE n USING fts5 (x)",
    "CREATE INDEX n ON t (b)",
    "DROP TABLE t",
    "ALTER TABLE t RENAME TO u",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "RELEASE s",
    "UPDATE sqlite_schema SET sql = ''",
    "SELECT * FROM pragma_table_info('t')",
    "SELECT 1 FROM pragma_table_info(CAST(x'ff' AS TEXT))",
    "SELECT (SELECT count(*) FROM PRAGMA_foreign_key_list(CAST(x'ff' AS TEXT)))",
    "SELECT 1; DELETE FROM t",
    "SELECT 1; ATTACH 'other.sqlite' AS other",
    "SELECT 1; SELECT 2",
    "SELECT ';'; SELECT 2",
    "SELECT 1 /* ; */ ; -- ;\n SELECT 2;",
];

const WRITES: &[&str] = &[
    "INSERT INTO t VALUES (3, 'x')",
    "UPDATE t SET b = 'x'",
    "DELETE FROM t",
    "REPLACE INTO t VALUES (1, 'x')",
    "WITH x AS (SELECT 9 AS n) INSERT INTO t SELECT n, 'x' FROM x",
    "INSERT INTO t VALUES (4, 'x') RETURNING a",
    "INSERT INTO words VALUES ('x')",
    "INSERT INTO words (words) VALUES ('rebuild')",
    "DELETE FROM places_node",
    "EXPLAIN DELETE FROM t",
];

#[test]
fn a_reading_session_refuses_all_that_is_not_a_read() {
    let fixture = Fixture::new();
    for text in NEVER.iter().chain(WRITES) {
        let error = fixture.refused(Access::Read, text);
        assert_eq!(error.code(), expected(text), "{text}: {error}");
    }
}

/// SQLite keeps its own tables from being changed before it asks the authorizer.
fn expected(text: &str) -> ErrorCode {
    let own = ["UPDATE sqlite_schema", "DELETE FROM places_node"].iter().any(|begin| text.starts_with(begin));
    if own { ErrorCode::DatabaseError } else { ErrorCode::StatementNotAllowed }
}

#[test]
fn a_writing_session_changes_rows_and_no_more() {
    let fixture = Fixture::new();
    for text in NEVER {
        let error = fixture.refused(Access::Write, text);
        // VACUUM is refused only when it runs, by the transaction around it.
        let code = if text.starts_with("VACUUM") { ErrorCode::DatabaseError } else { expected(text) };
        assert_eq!(error.code(), code, "{text}: {error}");
    }
    for text in ["DELETE FROM t WHERE a = 2", "INSERT INTO words VALUES ('x')", "INSERT INTO places VALUES (8, 1, 2)"] {
        fixture.run(Access::Write, text).unwrap();
    }
    assert_eq!(fixture.run(Access::Read, "SELECT group_concat(a) FROM t").unwrap().unwrap(), "1");
}

#[test]
fn reads_of_every_kind_are_allowed() {
    let fixture = Fixture::new();
    for (text, first) in [
        ("SELECT b FROM t ORDER BY a DESC", "two"),
        ("SELECT 'a;b';", "a;b"),
        ("SELECT 'a' -- ; not a second one", "a"),
        (" \n SELECT 'x' ; ; \n", "x"),
        ("VALUES ('v')", "v"),
        (
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT 'n' || max(i) FROM n",
            "n9",
        ),
        ("SELECT word FROM words WHERE words MATCH 'gate'", "gate"),
        ("SELECT 'r' || id FROM places WHERE west < 1.5", "r7"),
        ("SELECT value FROM json_each('[\"j\"]')", "j"),
        ("SELECT row_number() OVER (ORDER BY a) || b FROM t", "1one"),
        ("SELECT name FROM sqlite_schema WHERE name = 't'", "t"),
        ("PRAGMA foreign_key_list('t')", ""),
        ("EXPLAIN QUERY PLAN SELECT 1", ""),
    ] {
        let seen = fixture.run(Access::Read, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        if !first.is_empty() {
            assert_eq!(seen.as_deref(), Some(first), "{text}");
        }
    }
}

#[test]
fn a_misspelt_identifier_in_quotes_is_an_error_and_no_text() {
    let fixture = Fixture::new();
    let error = fixture.refused(Access::Read, "SELECT\n  \"bb\" FROM t");
    assert_eq!(error.code(), ErrorCode::DatabaseError);
    assert_eq!(error.faults().first().map(|fault| (fault.line, fault.column)), Some((Some(2), Some(3))), "{error:?}");
}

#[test]
fn values_larger_than_the_limit_are_refused() {
    let fixture = Fixture::new();
    let long_text = format!("SELECT '{}'", "x".repeat(2 << 20));
    for text in [
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(1000000000)",
        "SELECT replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000000)))",
        &long_text,
    ] {
        let error = fixture.refused(Access::Read, text);
        assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
    }
}

/// The threads that statements run on have two megabytes of stack, as the one of this test has.
#[test]
fn no_statement_exhausts_the_stack() {
    let fixture = Fixture::new();
    let nested = |open: &str, core: &str, close: &str, depth: usize| {
        format!("{}{core}{}", open.repeat(depth), close.repeat(depth))
    };
    let chain = |length: usize| {
        let links: String = (1..length).map(|n| format!(", x{n} AS (select count(*) FROM x{})", n - 1)).collect();
        format!("WITH x0 AS (SELECT 1){links} SELECT * FROM x{}", length - 1)
    };
    let attacks = [
        format!("SELECT {}", nested("(", "1", ")", 100_000)),
        format!("SELECT {}1", "NOT ".repeat(100_000)),
        format!("SELECT {}1", "- ".repeat(100_000)),
        format!("SELECT {}1", "1+".repeat(100_000)),
        format!("SELECT {}", nested("abs(", "1", ")", 100_000)),
        format!("SELECT {}", nested("CASE WHEN ", "1", " THEN 1 END", 30_000)),
        nested("SELECT (", "SELECT 1", ")", 50_000),
        nested("SELECT * FROM (", "SELECT 1", ")", 50_000),
        nested("SELECT * FROM (", "SELECT 1", ")", 499),
        nested("SELECT count(*) FROM (", "SELECT 1", " UNION SELECT 2)", 249),
        chain(499),
        chain(20_000),
        format!("SELECT * FROM {}", nested("(", "t", ")", 100_000)),
        nested("WITH x AS (", "SELECT 1", ") SELECT * FROM x", 20_000),
        nested("SELECT EXISTS (", "SELECT 1", ")", 50_000),
        nested("SELECT 1 WHERE 1 IN (", "SELECT 1", ")", 40_000),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(50_000)),
        format!("SELECT 1 FROM t{}", ", t".repeat(1_000)),
        "SELECT 1;".repeat(100_000),
        ";SELECT 1".repeat(100_000),
        format!("SELECT json('{}')", nested("[", "", "]", 400_000)),
        format!("SELECT * FROM words WHERE words MATCH '{}'", nested("(", "x", ")", 300_000)),
        format!("SELECT * FROM words WHERE words MATCH '{}x'", "x NOT ".repeat(100_000)),
    ];
    thread::scope(|scope| {
        for attack in &attacks {
            let attacked = thread::Builder::new().stack_size(2 << 20);
            let _ = attacked.spawn_scoped(scope, || fixture.run(Access::Read, attack)).unwrap().join().unwrap();
            assert_eq!(fixture.run(Access::Read, "SELECT b FROM t").unwrap().as_deref(), Some("one"));
        }
    });
}

#[test]
fn an_empty_statement_is_an_error() {
    let fixture = Fixture::new();
    for text in ["", "  -- nothing", ";;;", "/* ; */"] {
        assert_eq!(fixture.refused(Access::Read, text).code(), ErrorCode::InvalidStatement, "{text}");
    }
}
