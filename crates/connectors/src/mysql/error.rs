//! Which error is each failure of the driver.

use sqlx::mysql::MySqlDatabaseError;
use tidegate_core::{Error, ErrorCode, error::Fault};

/// What went wrong while a session was opened at `address`. Nothing in it names the password.
pub(super) fn of_connect(error: sqlx::Error, address: &str) -> Error {
    match server_error(&error) {
        // Access denied: to the server, to the database, without a password; password expired; account locked.
        Some(refusal @ (1045 | 1044 | 1698 | 1820 | 1862 | 3118 | 4151, _)) => {
            with_state(Error::new(ErrorCode::SourceAuthenticationFailed, refused(address, &error)), refusal)
        }
        Some(refusal) => with_state(Error::new(ErrorCode::SourceUnavailable, refused(address, &error)), refusal),
        None => match error {
            sqlx::Error::Tls(error) => Error::new(
                ErrorCode::SourceUnavailable,
                format!(
                    "no TLS session with {address}: {error}; give the certificate authority in `tls.ca`, or choose another \
                     `tls.mode`"
                ),
            ),
            // A certificate that is refused reaches us as an I/O error of the handshake.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Error::new(
                ErrorCode::SourceUnavailable,
                format!(
                    "the certificate of {address} is refused: {error}; give its authority in `tls.ca`, or choose another \
                     `tls.mode`"
                ),
            ),
            sqlx::Error::Io(error) => Error::new(
                ErrorCode::SourceUnavailable,
                format!("{address} cannot be reached: {error}; check the host, the port and the firewall between"),
            ),
            other => {
                Error::new(ErrorCode::SourceUnavailable, format!("{address} does not answer as a MySQL server does"))
                    .with_context(other)
            }
        },
    }
}

/// What went wrong while a statement ran on a session of `address`.
pub(super) fn of_statement(error: sqlx::Error, address: &str) -> Error {
    let message = server_message(&error);
    match server_error(&error) {
        Some(state @ (1969 | 3024 | 1317, _)) => {
            with_state(Error::new(ErrorCode::Timeout, format!("the database stopped the statement: {message}")), state)
        }
        Some(state @ (1792, _)) => with_state(
            Error::new(ErrorCode::StatementNotAllowed, "the statement changes data and runs where it may only read"),
            state,
        ),
        // The server shuts down, or this connection was killed.
        Some(state @ (1053 | 1080 | 1927, _)) => with_state(lost(address), state),
        Some(state) => {
            let faults = line(message).map(|line| Fault { line: Some(line), ..Fault::default() });
            let faults = faults.map(|fault| Fault { message: message.to_owned(), ..fault }).into_iter().collect();
            with_state(Error::new(ErrorCode::DatabaseError, message).with_faults(faults), state)
        }
        None => match error {
            sqlx::Error::Io(error) => lost(address).with_context(error),
            other => Error::new(ErrorCode::DatabaseError, format!("the answer of {address} cannot be read: {other}")),
        },
    }
}

fn lost(address: &str) -> Error {
    Error::new(ErrorCode::SourceUnavailable, format!("the connection to {address} broke; try again"))
}

fn refused(address: &str, error: &sqlx::Error) -> String {
    format!("{address} refuses the login: {}", server_message(error))
}

/// The server's number and SQLSTATE. Its number is finer: one SQLSTATE stands for many errors.
fn server_error(error: &sqlx::Error) -> Option<(u16, Option<String>)> {
    let error = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some((error.number(), error.code().map(str::to_owned)))
}

fn server_message(error: &sqlx::Error) -> &str {
    error.as_database_error().map_or("", |error| error.message())
}

fn with_state(error: Error, (number, state): (u16, Option<String>)) -> Error {
    let error = error.with_context(format_args!("mysql error {number}"));
    match state {
        Some(state) => error.with_sqlstate(state),
        None => error,
    }
}

/// The line of the statement that a syntax error names, at the end of its message.
fn line(message: &str) -> Option<u32> {
    message.rsplit_once(" at line ")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_unreachable_server_is_named_with_what_to_check() {
        let error = of_connect(sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into()), "db:3306");
        assert_eq!(error.code(), ErrorCode::SourceUnavailable);
        assert!(error.message().starts_with("db:3306 cannot be reached"), "{error}");
        assert!(error.message().contains("firewall"), "{error}");
    }

    #[test]
    fn a_failed_handshake_says_how_to_give_a_certificate_authority() {
        let refused = io::Error::new(io::ErrorKind::InvalidData, "UnknownIssuer");
        for error in [sqlx::Error::Io(refused), sqlx::Error::Tls("server does not support TLS".into())] {
            let error = of_connect(error, "db:3306");
            assert_eq!(error.code(), ErrorCode::SourceUnavailable);
            assert!(error.message().contains("`tls.ca`") && error.message().contains("`tls.mode`"), "{error}");
        }
    }

    #[test]
    fn a_dropped_connection_makes_the_source_unavailable() {
        let error = of_statement(sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into()), "db:3306");
        assert_eq!(error.code(), ErrorCode::SourceUnavailable);
    }

    #[test]
    fn the_line_of_a_syntax_error_is_read_from_its_message() {
        assert_eq!(line("You have an error in your SQL syntax; … near 'x' at line 12"), Some(12));
        assert_eq!(line("Unknown column 'at line 3x'"), None);
    }
}
