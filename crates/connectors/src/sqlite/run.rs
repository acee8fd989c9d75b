//! One statement on one session: prepare, bind, stream.

use rusqlite::{Batch, CachedStatement, Connection, config::DbConfig, fallible_iterator::FallibleIterator};
use tidegate_core::{Error, ErrorCode, Result, result::RowSink};
use tidegate_statement::Bind;
use tokio::runtime::Handle;

use super::{bind, call::Call, connect::Session, decode, error, lent::Lent, lock::Access, types};

/// The most selects of one statement. SQLite's calls nest as deep as its selects do, by subqueries or by common table
/// expressions that build on each other; it has no limit of its own, and a thread's stack ends at some thousands.
const MAX_SELECTS: usize = 500;

/// Prepares a statement, or finds it prepared. More than one statement is refused.
pub(super) fn prepare<'s>(session: &'s Session, text: &str) -> Result<CachedStatement<'s>> {
    let connection = session.connection();
    if has_too_many_selects(text) {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            format!("the statement has more than {MAX_SELECTS} selects: split it"),
        ));
    }
    // The driver looks for a second statement by recursion, one level each: a long row of them would end the stack.
    if text.trim_end().trim_end_matches(';').contains(';') {
        let mut statements = Batch::new(connection, text);
        statements.next().map_err(|failure| error::preparing(failure, text))?;
        if statements.next().map_err(|failure| error::preparing(failure, text))?.is_some() {
            return Err(error::several_statements());
        }
    }
    keep_plan(connection, text).map_err(error::running)?;
    let prepared = connection.prepare_cached(text).map_err(|failure| error::preparing(failure, text))?;
    if session.access() == Access::Read && !prepared.readonly() {
        return Err(error::not_allowed("it changes data"));
    }
    Ok(prepared)
}

/// Has the statement that is prepared next keep its plan. Otherwise SQLite makes it anew in every call in which a value,
/// such as that of a `LIMIT`, may change it. Of what values change, only the pattern of a `LIKE` or a `GLOB` is worth
/// that: it decides whether an index is of use (SQLite, "The Query Planner Stability Guarantee").
fn keep_plan(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    let has_pattern = contains(text, b"like") || contains(text, b"glob");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, !has_pattern).map(drop)
}

fn has_too_many_selects(text: &str) -> bool {
    const SELECT: &[u8] = b"select";
    text.len() > MAX_SELECTS * SELECT.len() && occurrences(text, SELECT).count() > MAX_SELECTS
}

/// Whether a word is in a text, in letters of either case.
fn contains(text: &str, word: &[u8]) -> bool {
    occurrences(text, word).next().is_some()
}

fn occurrences<'t>(text: &'t str, word: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
    text.as_bytes().windows(word.len()).filter(move |found| found.eq_ignore_ascii_case(word))
}

/// Runs a statement and streams its rows into the sink: on a reading session as it is, on a writing one in a
/// transaction of its own.
pub(super) fn run<S: RowSink>(
    session: &Session,
    text: &str,
    binds: &[Bind],
    sink: &Lent<S>,
    call: &Call,
    runtime: &Handle,
) -> Result<()> {
    if session.access() == Access::Read {
        return stream(session, text, binds, sink, call, runtime).map(|_| ());
    }
    session.begin()?;
    match stream(session, text, binds, sink, call, runtime).and_then(|affected| call.begin_commit().map(|()| affected))
    {
        Ok(affected) => {
            session.commit(call)?;
            sink.with(|sink| {
                affected.into_iter().for_each(|rows| sink.affected(rows));
                Ok(())
            })
        }
        Err(error) => {
            session.rollback();
            Err(error)
        }
    }
}

/// Binds the values of a statement to its placeholders.
pub(super) fn bind_all(prepared: &mut CachedStatement<'_>, binds: &[Bind]) -> Result<()> {
    if prepared.parameter_count() != binds.len() {
        return Err(Error::new(
            ErrorCode::InvalidStatement,
            format!("the statement has {} placeholders for {} values", prepared.parameter_count(), binds.len()),
        ));
    }
    for (index, bound) in binds.iter().enumerate() {
        bind::bind(prepared, index + 1, &bound.value).map_err(error::running)?;
    }
    Ok(())
}

/// Streams the rows and tells how many were changed, when the statement is one that changes rows.
fn stream<S: RowSink>(
    session: &Session,
    text: &str,
    binds: &[Bind],
    sink: &Lent<S>,
    call: &Call,
    runtime: &Handle,
) -> Result<Option<u64>> {
    let mut prepared = prepare(session, text)?;
    bind_all(&mut prepared, binds)?;

    // The first step prepares anew what a change of the schema made stale, so columns are known only after it.
    let mut width = None;
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(error::running)? {
        let width = match width {
            Some(width) => width,
            None => {
                let columns = types::columns(row.as_ref());
                let count = columns.len();
                sink.with(|sink| sink.columns(columns))?;
                *width.insert(count)
            }
        };
        let flow = sink.with(|sink| {
            for index in 0..width {
                sink.cell(decode::cell(row.get_ref(index).map_err(error::running)?));
            }
            let flow = sink.end_row();
            if flow.is_continue() && sink.wants_drain() { call.drain(sink, runtime) } else { Ok(flow) }
        })?;
        if flow.is_break() {
            break;
        }
    }
    drop(rows);
    if width.is_none() {
        sink.with(|sink| sink.columns(types::columns(&prepared)))?;
    }
    Ok((!prepared.readonly()).then(|| session.connection().changes()))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_plan_is_kept_unless_a_pattern_decides_about_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a TEXT COLLATE NOCASE); CREATE INDEX by_a ON t (a)").unwrap();
        let counts = |text: &str, value: &dyn rusqlite::ToSql| {
            keep_plan(&connection, text).unwrap();
            let mut prepared = connection.prepare_cached(text).unwrap();
            for _ in 0..3 {
                let mut rows = prepared.query([value]).unwrap();
                while rows.next().unwrap().is_some() {}
            }
            [StatementStatus::RePrepare, StatementStatus::FullscanStep].map(|status| prepared.get_status(status))
        };
        connection.execute_batch("INSERT INTO t VALUES ('ab'), ('cd'), ('ef')").unwrap();
        assert_eq!(counts("SELECT a FROM t NOT INDEXED LIMIT ?", &1)[0], 0, "planned anew");
        assert_eq!(counts("SELECT a FROM t WHERE a lIKE ?", &"a%")[1], 0, "the index was not used");
    }
}
