//! One statement on one session: prepare, bind, stream.

use rusqlite::{Batch, CachedStatement, fallible_iterator::FallibleIterator};
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
    let prepared = connection.prepare_cached(text).map_err(|failure| error::preparing(failure, text))?;
    if session.access() == Access::Read && !prepared.readonly() {
        return Err(error::not_allowed("it changes data"));
    }
    Ok(prepared)
}

fn has_too_many_selects(text: &str) -> bool {
    const SELECT: &[u8] = b"select";
    text.len() > MAX_SELECTS * SELECT.len()
        && text.as_bytes().windows(SELECT.len()).filter(|word| word.eq_ignore_ascii_case(SELECT)).count() > MAX_SELECTS
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
    match stream(session, text, binds, sink, call, runtime).and_then(|affected| call.check().map(|()| affected)) {
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
