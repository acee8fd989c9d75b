//! Which error is each failure of the driver?

use rusqlite::{Error as Failure, ErrorCode as Sqlite, ffi};
use tidegate_core::{Error, ErrorCode, error::Fault};

use super::location::Location;
use crate::bounds::timed_out;

/// What SQLite says of a value beyond its limit; a statement can be too big as well.
const VALUE_TOO_BIG: &str = "string or blob too big";

/// A statement could not be prepared. `text` is all of it, for the place of the fault.
pub(super) fn preparing(failure: Failure, text: &str) -> Error {
    match failure {
        // SQLite has a code for what its authorizer refuses, but not for functions.
        Failure::SqlInputError { error, msg, .. } if msg.starts_with("not authorized") => {
            unauthorized(&msg).with_sqlstate(error.extended_code.to_string())
        }
        Failure::SqlInputError { error, msg, offset, .. } => {
            // The driver prepares the text without the white space around it.
            let begin = text.len() - text.trim_start().len();
            let fault = Fault::at_offset(text, begin + usize::try_from(offset).unwrap_or(0), &*msg);
            Error::new(ErrorCode::DatabaseError, msg)
                .with_sqlstate(error.extended_code.to_string())
                .with_faults(vec![fault])
        }
        Failure::MultipleStatement => several_statements(),
        other => running(other),
    }
}

/// A prepared statement failed.
pub(super) fn running(failure: Failure) -> Error {
    match failure {
        Failure::SqliteFailure(error, message) => {
            let message = message.unwrap_or_else(|| error.to_string());
            refused(error, message).with_sqlstate(error.extended_code.to_string())
        }
        other => Error::new(ErrorCode::DatabaseError, "sqlite gave something unexpected").with_context(other),
    }
}

/// The file could not be opened, or read for the first time.
pub(super) fn opening(failure: Failure, location: &Location) -> Error {
    match failure.sqlite_error_code() {
        Some(Sqlite::NotADatabase) => location.unavailable("is not a sqlite database").with_context(failure),
        Some(Sqlite::CannotOpen) => location
            .unavailable("cannot be opened: check its permissions; in WAL mode its folder has to be writable")
            .with_context(failure),
        Some(Sqlite::OperationInterrupted | Sqlite::DatabaseBusy) => running(failure),
        _ => location.unavailable("cannot be read as a sqlite database").with_context(failure),
    }
}

/// The statement is more than one.
pub(super) fn several_statements() -> Error {
    Error::new(
        ErrorCode::StatementNotAllowed,
        "only one statement may be run at a time: leave out what follows the `;`",
    )
}

/// The statement does what its session may not.
pub(super) fn not_allowed(why: &str) -> Error {
    Error::new(ErrorCode::StatementNotAllowed, format!("the statement may not be run here: {why}"))
}

fn unauthorized(message: &str) -> Error {
    not_allowed(&format!("{message}; only tables may be read or, by a writing query, changed"))
}

fn refused(error: ffi::Error, message: String) -> Error {
    match error.code {
        Sqlite::OperationInterrupted => timed_out(),
        Sqlite::DatabaseBusy => Error::new(
            ErrorCode::Timeout,
            "another writer kept the database locked until the time was over: call again",
        ),
        // The plain code is a write that was refused; its extended ones are states of the file.
        Sqlite::ReadOnly if error.extended_code == ffi::SQLITE_READONLY => not_allowed(&message),
        Sqlite::AuthorizationForStatementDenied => unauthorized(&message),
        Sqlite::TooBig if message == VALUE_TOO_BIG => Error::new(
            ErrorCode::LimitExceeded,
            "a value is much larger than the byte budget: leave it out, or ask for its length() instead",
        ),
        Sqlite::TooBig => Error::new(ErrorCode::LimitExceeded, message),
        Sqlite::OutOfMemory => Error::new(
            ErrorCode::LimitExceeded,
            "the statement takes more memory than sqlite sources may have: gather fewer rows into one value",
        ),
        // An empty statement is the only wrong use that a caller can bring about.
        Sqlite::ApiMisuse => Error::new(ErrorCode::InvalidStatement, "the statement is empty"),
        Sqlite::ReadOnly
        | Sqlite::PermissionDenied
        | Sqlite::DatabaseLocked
        | Sqlite::SystemIoFailure
        | Sqlite::DatabaseCorrupt
        | Sqlite::NotADatabase
        | Sqlite::DiskFull
        | Sqlite::CannotOpen
        | Sqlite::FileLockingProtocolFailed => {
            Error::new(ErrorCode::SourceUnavailable, format!("the file of the source cannot be used: {message}"))
        }
        _ => Error::new(ErrorCode::DatabaseError, message),
    }
}
