//! How a statement is prepared and run, and its rows are streamed.

use std::{sync::Arc, time::Duration};

use futures::{TryStreamExt, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, Connection as _, Either, Executor, Row, SqlSafeStr, Statement as _,
    mysql::{MySqlArguments, MySqlConnection, MySqlQueryResult, MySqlRow},
};
use tidegate_core::{
    Error, ErrorCode, Result,
    result::{Column, RowSink},
};
use tidegate_statement::{Class, Statement};
use tokio::time::timeout;

use super::{decode, error, lease::Lease, types};

/// How many more rows are read, and for how long, once the sink has enough: a page often ends just before its result does,
/// and a session whose answer was read to the end can be used again. Reading a large result to its end would take seconds.
const REST_ROWS: usize = 100;
const REST_TIME: Duration = Duration::from_millis(10);

/// After a row of so many bytes the driver gives back the memory that it read the row into.
const LARGE_ROW: usize = 1 << 20;

/// A statement that the server has prepared.
pub(super) struct Prepared {
    text: Arc<str>,
    /// The columns of its result as they are known before it runs; empty when it has none.
    pub(super) columns: Vec<Column>,
}

/// Prepares a statement and does not run it. Only one statement can be prepared at once; the server refuses several.
pub(super) async fn prepare(lease: &mut Lease, statement: &Statement) -> Result<Prepared> {
    let text: Arc<str> = Arc::from(statement.text());
    let sql = AssertSqlSafe(Arc::clone(&text)).into_sql_str();
    let prepared = match lease.connection().prepare(sql).await {
        Ok(prepared) => prepared,
        Err(error) => return Err(error::placed(lease.fail(error), &text)),
    };
    lease.settle();
    // The driver checks this as well, and would leave the connection waiting for an answer that never comes.
    let (values, placeholders) = (statement.binds().len(), prepared.parameters());
    match placeholders {
        Some(Either::Right(placeholders)) if placeholders != values => Err(Error::new(
            ErrorCode::InvalidStatement,
            format!("the statement has {placeholders} placeholders and {values} values"),
        )),
        _ => Ok(Prepared { text, columns: types::columns(prepared.columns()) }),
    }
}

/// Runs a prepared statement. The session is settled unless the sink stopped the rows early.
pub(super) async fn run<S: RowSink>(
    lease: &mut Lease,
    prepared: Prepared,
    arguments: MySqlArguments,
    class: Class,
    sink: &mut S,
) -> Result<()> {
    let text = Arc::clone(&prepared.text);
    let mut has_read_large_row = false;
    let result = stream(lease.connection(), prepared, arguments, class, sink, &mut has_read_large_row).await;
    if has_read_large_row {
        lease.connection().shrink_buffers();
    }
    match result {
        Ok(End::Complete) => {
            lease.settle();
            Ok(())
        }
        Ok(End::Stopped) => Ok(()),
        Err(Failure::Driver(error)) => Err(error::placed(lease.fail(error), &text)),
        Err(Failure::Sink(error)) => Err(error),
    }
}

enum End {
    /// The answer was read to its end.
    Complete,
    /// The sink had enough.
    Stopped,
}

enum Failure {
    Driver(sqlx::Error),
    Sink(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

async fn stream<S: RowSink>(
    connection: &mut MySqlConnection,
    prepared: Prepared,
    arguments: MySqlArguments,
    class: Class,
    sink: &mut S,
    has_read_large_row: &mut bool,
) -> Result<End, Failure> {
    let Prepared { text, columns } = prepared;
    let has_rows = !columns.is_empty();
    let mut announced = Some(columns);
    let mut encodings = Vec::new();
    let mut scratch = String::new();
    let mut affected = 0;
    let mut is_open = true;
    let mut answer = connection.fetch_many(sqlx::query_with(AssertSqlSafe(text), arguments));
    while let Some(part) = answer.try_next().await? {
        match part {
            // A procedure may have several results; the first is the answer.
            Either::Left(done) => {
                affected += done.rows_affected();
                is_open = false;
            }
            Either::Right(row) if is_open => {
                if announced.take().is_some() {
                    // These know the types of the bound values; those of the prepared statement did not.
                    sink.columns(types::columns(row.columns())).map_err(Failure::Sink)?;
                    encodings = types::encodings(row.columns());
                }
                *has_read_large_row |= decode::row(&row, &encodings, &mut scratch, sink) > LARGE_ROW;
                // It is not held while more is read.
                drop(row);
                let mut flow = sink.end_row();
                if flow.is_continue() && sink.wants_drain() {
                    flow = sink.drain().await;
                }
                if flow.is_break() {
                    // What a write returns is shown in part, and done in whole.
                    if class == Class::Read {
                        return Ok(rest(answer).await);
                    }
                    is_open = false;
                }
            }
            Either::Right(_) => {}
        }
    }
    if let Some(columns) = announced {
        sink.columns(columns).map_err(Failure::Sink)?;
    }
    if class != Class::Read && !has_rows {
        sink.affected(affected);
    }
    Ok(End::Complete)
}

/// Reads the answer to its end if that is near.
async fn rest(mut answer: BoxStream<'_, sqlx::Result<Either<MySqlQueryResult, MySqlRow>>>) -> End {
    let is_over = timeout(REST_TIME, async {
        for _ in 0..REST_ROWS {
            match answer.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    });
    if matches!(is_over.await, Ok(true)) { End::Complete } else { End::Stopped }
}
