//! Which error is each failure of the driver?

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use tidegate_core::{Error, ErrorCode, error::Fault};

use crate::bounds::timed_out;

/// SQLSTATEs that the connector acts on.
mod sqlstate {
    pub(super) const READ_ONLY_TRANSACTION: &str = "25006";
    pub(super) const UNKNOWN_DATABASE: &str = "3D000";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(super) const QUERY_CANCELED: &str = "57014";
    pub(super) const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub(super) const UNKNOWN_PREPARED_STATEMENT: &str = "26000";
    pub(super) const INDETERMINATE_TYPE: &str = "42P18";
    pub(super) const AMBIGUOUS_FUNCTION: &str = "42725";
    pub(super) const UNKNOWN_FUNCTION: &str = "42883";
}

/// The database's own error, when it is one.
fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// Whether the session is gone, rather than the statement wrong.
pub(super) fn is_disconnected(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // The server says so before it hangs up: it is shut down, or an administrator ended the session.
        _ => database(error).is_some_and(|error| matches!(error.code(), "57P01" | "57P02" | "57P05" | "25P03")),
    }
}

/// Whether the server stopped a statement, which it does when its time is over or somebody tells it to.
pub(super) fn is_cancellation(error: &Error) -> bool {
    error.sqlstate() == Some(sqlstate::QUERY_CANCELED)
}

/// Whether a statement that was prepared earlier no longer fits the tables, or is not known to the session any more.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|error| match error.code() {
        sqlstate::FEATURE_NOT_SUPPORTED => error.routine() == Some("RevalidateCachedQuery"),
        code => code == sqlstate::UNKNOWN_PREPARED_STATEMENT,
    })
}

/// What the server could not find out about the types of placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undetermined {
    /// Nothing around this placeholder, counted from 1, says what it is.
    Placeholder(usize),
    /// No function or operator fits, or too many do.
    Call,
}

/// Whether preparing failed for want of the placeholders' types.
pub(super) fn undetermined(error: &sqlx::Error) -> Option<Undetermined> {
    let error = database(error)?;
    match error.code() {
        sqlstate::INDETERMINATE_TYPE => Some(
            // `could not determine data type of parameter $1`, in the server's language.
            error
                .message()
                .split_once('$')
                .map(|(_, rest)| rest.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default())
                .and_then(|number| number.parse().ok())
                .map_or(Undetermined::Call, Undetermined::Placeholder),
        ),
        sqlstate::AMBIGUOUS_FUNCTION | sqlstate::UNKNOWN_FUNCTION => Some(Undetermined::Call),
        _ => None,
    }
}

/// The error of opening a session. `address` is `host:port`.
pub(super) fn connecting(error: &sqlx::Error, address: &str) -> Error {
    if let Some(error) = database(error) {
        return match error.code() {
            code if code.starts_with("28") => of_database(
                ErrorCode::SourceAuthenticationFailed,
                error,
                format!("{address} refuses the login; check the user, the password and who may log in from here"),
            ),
            sqlstate::UNKNOWN_DATABASE => of_database(
                ErrorCode::SourceUnavailable,
                error,
                format!("{address} has no such database; check its name"),
            ),
            sqlstate::TOO_MANY_CONNECTIONS => of_database(
                ErrorCode::SourceUnavailable,
                error,
                format!("{address} has no session left; lower `max_sessions` or try again later"),
            ),
            _ => of_database(ErrorCode::SourceUnavailable, error, format!("{address} refuses the connection")),
        };
    }
    let message = match error {
        sqlx::Error::Tls(_) if error.to_string().contains("does not support TLS") => format!(
            "{address} offers no TLS; turn it on there, or set `tls.mode` to `off` if the network protects the connection"
        ),
        sqlx::Error::Tls(_) => format!("no TLS connection to {address}; check `tls.ca` and the server's certificate"),
        sqlx::Error::Io(io) if is_certificate_failure(io) => format!(
            "the certificate of {address} cannot be verified; give its certificate authority in `tls.ca`, \
             and check that the certificate names this host"
        ),
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
            format!("{address} refuses the connection; check host and port, and that PostgreSQL listens there")
        }
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => {
            format!("{address} does not answer; check host and port, and that its network lets tidegate in")
        }
        _ => format!("{address} cannot be reached; check host and port, and that its network lets tidegate in"),
    };
    Error::new(ErrorCode::SourceUnavailable, message).with_context(error)
}

/// The driver reports a failed handshake as an I/O error around the TLS library's.
fn is_certificate_failure(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData && error.to_string().contains("certificate")
}

/// The error of a statement. `text` is what the server was sent of it, to find the place of a fault in it.
pub(super) fn running(error: &sqlx::Error, text: Option<&str>) -> Error {
    if let Some(error) = database(error) {
        return match error.code() {
            sqlstate::QUERY_CANCELED => timed_out().with_sqlstate(error.code()).with_context(error),
            sqlstate::READ_ONLY_TRANSACTION => of_database(
                ErrorCode::StatementNotAllowed,
                error,
                "the statement writes, and may only read here".to_owned(),
            ),
            code if code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05") => {
                of_database(ErrorCode::SourceUnavailable, error, "the database ended the session; try again".to_owned())
            }
            _ => refused(error, text),
        };
    }
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => {
            Error::new(ErrorCode::SourceUnavailable, "the connection to the database broke; try again")
                .with_context(error)
        }
        _ => Error::internal(error),
    }
}

/// The error of a text that the server should have turned into the type of its placeholder, which is counted from 1.
pub(super) fn argument(error: &sqlx::Error, placeholder: usize) -> Error {
    match database(error) {
        Some(error) if error.code().starts_with("22") => {
            let message = format!("{}, for ${placeholder}", error.message());
            let fault = Fault::of(format!("${placeholder}"), message.clone());
            Error::new(ErrorCode::InvalidArgument, message).with_sqlstate(error.code()).with_faults(vec![fault])
        }
        _ => running(error, None),
    }
}

/// What the server says of a statement, in its own words.
fn refused(error: &PgDatabaseError, text: Option<&str>) -> Error {
    let mut message = error.message().to_owned();
    for (label, more) in [("detail", error.detail()), ("hint", error.hint())] {
        if let Some(more) = more {
            message = format!("{message}; {label}: {more}");
        }
    }
    let fault = match (error.position(), text) {
        (Some(PgErrorPosition::Original(position)), Some(text)) => {
            offset(text, position).map(|offset| Fault::at_offset(text, offset, error.message()))
        }
        _ => None,
    };
    Error::new(ErrorCode::DatabaseError, message).with_sqlstate(error.code()).with_faults(fault.into_iter().collect())
}

/// Our message, then the server's.
fn of_database(code: ErrorCode, error: &PgDatabaseError, message: String) -> Error {
    Error::new(code, format!("{message}: {}", error.message())).with_sqlstate(error.code())
}

/// The byte of the character at a position from 1.
fn offset(text: &str, position: usize) -> Option<usize> {
    let index = position.checked_sub(1)?;
    Some(text.char_indices().nth(index).map_or(text.len(), |(offset, _)| offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_and_not_bytes() {
        assert_eq!(offset("select é, x", 8), Some(7));
        assert_eq!(offset("select é, x", 11), Some(11));
        assert_eq!(offset("select", 7), Some(6));
        assert_eq!(offset("select", 0), None);
    }

    #[test]
    fn a_refused_port_is_named_and_the_driver_is_not() {
        let refused = sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
        let error = connecting(&refused, "db.example.com:5432");
        assert_eq!(error.code(), ErrorCode::SourceUnavailable);
        assert!(error.message().starts_with("db.example.com:5432 refuses the connection"));
    }

    #[test]
    fn a_certificate_that_cannot_be_verified_asks_for_its_authority() {
        let tls = std::io::Error::new(std::io::ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer");
        assert!(connecting(&sqlx::Error::Io(tls), "db:5432").message().contains("`tls.ca`"));
    }
}
