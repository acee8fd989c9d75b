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
        // The time limit of the session holds for the begin of its first transaction already. It tells nothing of the server.
        Some(limit @ (1969 | 3024, _)) => with_state(
            Error::new(ErrorCode::Timeout, format!("{address} did not open a session before the deadline")),
            limit,
        ),
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
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Error::new(
                ErrorCode::SourceUnavailable,
                format!(
                    "{address} did not accept a connection in time; check the host, the port and the firewall between"
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
        Some(state) => with_state(Error::new(ErrorCode::DatabaseError, message), state),
        None => match error {
            sqlx::Error::Io(error) => lost(address).with_context(error),
            // `vector` is the one that MySQL has and the driver does not know.
            sqlx::Error::Protocol(message) if message.contains("unknown column type") => Error::new(
                ErrorCode::DatabaseError,
                "a column has a type that cannot be read; turn it into text in the statement, a vector with \
                 `VECTOR_TO_STRING(…)`",
            )
            .with_context(message),
            other => Error::new(ErrorCode::DatabaseError, format!("the answer of {address} cannot be read: {other}")),
        },
    }
}

/// Whether the server stopped a statement, which it does when its time is over or somebody tells it to.
pub(super) fn is_interruption(error: &sqlx::Error) -> bool {
    matches!(server_error(error), Some((1317, _)))
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

/// The error of a statement, with the place of what the server's message quotes of it. The server tells the line of a
/// syntax error alone, and nothing of a name that it does not know.
pub(super) fn placed(error: Error, text: &str) -> Error {
    if error.code() != ErrorCode::DatabaseError {
        return error;
    }
    let message = error.message().to_owned();
    let fault = match rest_and_line(&message) {
        Some((rest, line)) => Some(match offset_of_rest(text, rest, line) {
            Some(offset) => Fault::at_offset(text, offset, message),
            None => Fault { message, line: Some(line), ..Fault::default() },
        }),
        None => unknown_name(&message)
            .and_then(|name| only_offset(text, name))
            .map(|offset| Fault::at_offset(text, offset, message)),
    };
    error.with_faults(fault.into_iter().collect())
}

/// What a syntax error quotes, which is the rest of the statement or its first 80 characters, and the line.
fn rest_and_line(message: &str) -> Option<(&str, u32)> {
    let (before, line) = message.rsplit_once("' at line ")?;
    let (_, rest) = before.split_once(" near '")?;
    Some((rest, line.parse().ok()?))
}

fn offset_of_rest(text: &str, rest: &str, line: u32) -> Option<usize> {
    if text.ends_with(rest) {
        return Some(text.len() - rest.len());
    }
    let lines_before = usize::try_from(line).ok()?.checked_sub(1)?;
    let begin: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    text.get(begin..)?.find(rest).map(|offset| begin + offset)
}

/// The name in `Unknown column 'a.b' in …`, `Table 'd.t' doesn't exist` and `FUNCTION d.f does not exist`.
fn unknown_name(message: &str) -> Option<&str> {
    let quoted =
        ["Unknown column '", "Unknown table '", "Table '"].into_iter().find_map(|start| message.strip_prefix(start));
    match quoted {
        Some(rest) => rest.split_once('\'').map(|(name, _)| name),
        None => message.strip_prefix("FUNCTION ")?.split_once(" does not exist").map(|(name, _)| name),
    }
}

/// Where a name stands, when that is one place: as it is, or without what qualifies it.
fn only_offset(text: &str, name: &str) -> Option<usize> {
    let last = name.rsplit('.').next()?;
    [name, last].into_iter().find_map(|name| {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let mut found = text.match_indices(name).map(|(at, _)| at).filter(|at| {
            let (before, behind) =
                (text.get(..*at).unwrap_or_default(), text.get(at + name.len()..).unwrap_or_default());
            !before.ends_with(is_name) && !behind.starts_with(is_name)
        });
        found.next().filter(|_| found.next().is_none())
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use rstest::rstest;
    use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};
    use test_servers::Server;

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

    #[rstest]
    #[case::mariadb(test_servers::mariadb(), "SET STATEMENT max_statement_time = 0.001 FOR")]
    #[case::mysql(test_servers::mysql(), "SET SESSION max_execution_time = 1;")]
    #[tokio::test]
    async fn a_time_limit_is_a_timeout_also_while_a_session_is_opened(#[case] server: &Server, #[case] limited: &str) {
        let mut connection = MySqlConnection::connect(&server.admin_url()).await.unwrap();
        let slow = "SELECT COUNT(*) FROM information_schema.collations a, information_schema.collations b, \
                    information_schema.collations c, information_schema.collations d";
        let slow = AssertSqlSafe(format!("{limited} {slow}"));
        let limit = sqlx::raw_sql(slow).execute(&mut connection).await.unwrap_err();
        assert_eq!(of_connect(limit, "db:3306").code(), ErrorCode::Timeout);
    }

    fn place(message: &str, text: &str) -> Option<(Option<u32>, Option<u32>)> {
        let error = placed(Error::new(ErrorCode::DatabaseError, message), text);
        error.faults().first().map(|fault| (fault.line, fault.column))
    }

    #[test]
    fn a_syntax_error_is_where_the_rest_of_the_statement_begins() {
        let near = |rest: &str, line: u32| format!("You have an error; … to use near '{rest}' at line {line}");
        let text = "SELECT 'é',\n  a FRM t\nWHERE b = 1";
        assert_eq!(place(&near("FRM t\nWHERE b = 1", 2), text), Some((Some(2), Some(5))));
        assert_eq!(place(&near("", 3), text), Some((Some(3), Some(12))));
        let long = format!("SELECT 1,\nSELECT 2 {}", "+ 1 ".repeat(40));
        assert_eq!(place(&near("SELECT 2 + 1 + 1", 2), &long), Some((Some(2), Some(1))));
        assert_eq!(place(&near("something else", 2), text), Some((Some(2), None)));
    }

    #[test]
    fn a_name_that_is_unknown_is_where_it_stands_alone() {
        let text = "SELECT id,\n  f.nam, names FROM flights f JOIN `d`.gone ON f.id = gone2.id";
        assert_eq!(place("Unknown column 'f.nam' in 'SELECT'", text), Some((Some(2), Some(3))));
        assert_eq!(place("Unknown column 'nam' in 'SELECT'", text), Some((Some(2), Some(5))));
        assert_eq!(place("Table 'd.gone' doesn't exist", text), Some((Some(2), Some(40))));
        assert_eq!(place("Unknown column 'id' in 'field list'", text), None);
        assert_eq!(place("Duplicate entry 'id' for key 'PRIMARY'", text), None);
    }
}
