//! How are the rows of a statement read?

use std::time::Duration;

use futures::{Stream, TryStreamExt};
use sqlx::{Connection, Either, Executor, Row, Statement as _, postgres::PgRow};
use tidegate_core::{Error, ErrorCode, Result, result::RowSink, value::Cell};
use tidegate_statement::{Class, Statement};
use tokio::time::timeout;

use super::{
    bind,
    connect::Session,
    decode, error,
    prepare::{Prepared, prepare},
    types::Kind,
};

/// After the budget is spent, reading so many rows on costs less than a new connection would.
const REST_ROWS: usize = 1_024;
/// And so does waiting this long for them.
const REST_TIME: Duration = Duration::from_millis(50);

/// After a row of so many bytes the driver gives back the memory that it read the row into.
const LARGE_ROW: usize = 1 << 20;

/// Runs a statement and streams its rows into the sink.
pub(super) async fn run<S: RowSink>(session: &mut Session, statement: &Statement, sink: &mut S) -> Result<()> {
    let result = run_prepared(session, statement, sink).await;
    if std::mem::take(&mut session.has_read_large_row) {
        session.connection.shrink_buffers();
    }
    result
}

async fn run_prepared<S: RowSink>(session: &mut Session, statement: &Statement, sink: &mut S) -> Result<()> {
    let prepared = prepare(session, statement.text(), statement.binds()).await?;
    match stream(session, statement, prepared, sink).await? {
        Progress::Done => Ok(()),
        Progress::Stale => {
            session.connection.clear_cached_statements().await.map_err(|failure| error::running(&failure, None))?;
            session.restart().await.map_err(|failure| error::running(&failure, None))?;
            let prepared = prepare(session, statement.text(), statement.binds()).await?;
            match stream(session, statement, prepared, sink).await? {
                Progress::Done => Ok(()),
                Progress::Stale => Err(Error::new(
                    ErrorCode::DatabaseError,
                    "the tables of the statement change while it runs; try again",
                )),
            }
        }
    }
}

enum Progress {
    Done,
    /// The tables have changed since the statement was prepared. Nothing was sent to the sink.
    Stale,
}

async fn stream<S: RowSink>(
    session: &mut Session,
    statement: &Statement,
    prepared: Prepared,
    sink: &mut S,
) -> Result<Progress> {
    let arguments = bind::arguments(session, prepared.parameters(), statement.binds()).await?;
    let Prepared { statement: query, columns, kinds } = prepared;
    // What casts the columns of the statement counts its characters otherwise.
    let text = Some(statement.text()).filter(|text| query.sql().as_str() == *text);
    let failed = |failure: sqlx::Error| error::running(&failure, text);

    session.is_running = true;
    let mut rows = session.connection.fetch_many(query.query_with(arguments));
    let mut next = match rows.try_next().await {
        Ok(next) => next,
        Err(failure) => {
            session.is_running = false;
            return if error::is_stale(&failure) { Ok(Progress::Stale) } else { Err(failed(failure)) };
        }
    };
    sink.columns(columns)?;
    let mut scratch = String::new();
    let mut is_cut = false;
    while let Some(item) = next {
        match item {
            Either::Right(row) if !is_cut => {
                session.has_read_large_row |= send(&row, &kinds, &mut scratch, sink)? > LARGE_ROW;
                // It is not held while more is read.
                drop(row);
                is_cut = sink.end_row().is_break() || (sink.wants_drain() && sink.drain().await.is_break());
                if is_cut && statement.class() == Class::Read {
                    session.is_running = !reads_to_its_end(rows).await;
                    return Ok(Progress::Done);
                }
            }
            // What writes runs to its end, however little of its rows is wanted.
            Either::Right(_) => {}
            Either::Left(done) if statement.class() != Class::Read => sink.affected(done.rows_affected()),
            Either::Left(_) => {}
        }
        next = match rows.try_next().await {
            Ok(next) => next,
            Err(failure) => {
                session.is_running = false;
                return Err(failed(failure));
            }
        };
    }
    session.is_running = false;
    Ok(Progress::Done)
}

/// Sends the cells of a row, and gives back their bytes.
fn send<S: RowSink>(row: &PgRow, kinds: &[Kind], scratch: &mut String, sink: &mut S) -> Result<usize> {
    let mut size = 0;
    for (index, kind) in kinds.iter().enumerate() {
        let value = row.try_get_raw(index).map_err(Error::internal)?;
        // A value without bytes is NULL.
        let Ok(bytes) = value.as_bytes() else {
            sink.cell(Cell::Null);
            continue;
        };
        size += bytes.len();
        let cell = decode::cell(kind, bytes, scratch).map_err(|_| {
            let message = format!("column {} has a value that cannot be read; cast it to text", index + 1);
            Error::new(ErrorCode::DatabaseError, message).with_context(format_args!("malformed {kind:?}"))
        })?;
        sink.cell(cell);
    }
    Ok(size)
}

/// Reads what is left of a result, if it is little.
async fn reads_to_its_end<T>(mut rows: impl Stream<Item = Result<T, sqlx::Error>> + Unpin) -> bool {
    let rest = async {
        for _ in 0..REST_ROWS {
            // After an error there is nothing left to read either.
            if !matches!(rows.try_next().await, Ok(Some(_))) {
                return true;
            }
        }
        false
    };
    timeout(REST_TIME, rest).await.unwrap_or(false)
}
