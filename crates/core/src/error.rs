//! The one error of the domain.
//!
//! An [`Error`] has a code that programs act on, a message that tells the caller what to do, and optionally a place
//! and private context. The context is for logs: it has no `Display` and no `Serialize`, so it cannot reach an answer.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A result of the domain.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a stable word that programs may act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request cannot be read: malformed, an unknown field, a wrong type.
    InvalidRequest,
    /// An argument is missing, unknown, of the wrong type or out of range.
    InvalidArgument,
    /// The template of a query is wrong.
    InvalidTemplate,
    /// The statement cannot be parsed, or cannot be paged as it is declared to be.
    InvalidStatement,
    /// The statement does more than the caller's way of running it allows.
    StatementNotAllowed,
    /// The cursor was edited, has expired, or belongs to another query, revision or set of arguments.
    InvalidCursor,
    /// No principal: the credentials are missing, unknown, expired or revoked.
    Unauthenticated,
    /// The principal's role does not allow this.
    Forbidden,
    /// It does not exist, or the principal may not see it.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The version that the caller changed is not the newest.
    VersionConflict,
    /// It is used by something else and cannot be deleted.
    InUse,
    /// The idempotency key came with another request before.
    IdempotencyKeyReused,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// A count or size that is limited is at its limit.
    LimitExceeded,
    /// The database expects the statement to take more than is allowed, or cannot say what it would take.
    TooExpensive,
    /// Too many calls at once.
    RateLimited,
    /// The source cannot be reached, or refuses the connection.
    SourceUnavailable,
    /// The source refuses the credentials.
    SourceAuthenticationFailed,
    /// The database refuses the statement when it is prepared, or fails it when it runs.
    DatabaseError,
    /// The deadline passed.
    Timeout,
    /// The caller went away before the answer was whole.
    Cancelled,
    /// A part of Tidegate (its store, its vault) cannot be reached.
    Unavailable,
    /// A fault in Tidegate.
    Internal,
}

impl ErrorCode {
    /// The code as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidTemplate => "invalid_template",
            Self::InvalidStatement => "invalid_statement",
            Self::StatementNotAllowed => "statement_not_allowed",
            Self::InvalidCursor => "invalid_cursor",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::VersionConflict => "version_conflict",
            Self::InUse => "in_use",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::PayloadTooLarge => "payload_too_large",
            Self::LimitExceeded => "limit_exceeded",
            Self::TooExpensive => "too_expensive",
            Self::RateLimited => "rate_limited",
            Self::SourceUnavailable => "source_unavailable",
            Self::SourceAuthenticationFailed => "source_authentication_failed",
            Self::DatabaseError => "database_error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault among several of the same request, with its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// What is wrong and how to mend it.
    pub message: String,
    /// The field or argument, as a dotted path from the root of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The line of the template or file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in that line in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl Fault {
    /// A fault of a field or argument.
    pub fn of(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), field: Some(field.into()), ..Self::default() }
    }

    /// A fault at a byte of a text, at its end when it is not that long.
    pub fn at_offset(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let from_one = |before: usize| u32::try_from(before + 1).unwrap_or(u32::MAX);
        let line = from_one(before.bytes().filter(|byte| *byte == b'\n').count());
        let column = from_one(before.get(line_start..).unwrap_or_default().chars().count());
        Self::at(line, column, message)
    }

    /// A fault at a line and column, both from 1.
    pub fn at(line: u32, column: u32, message: impl Into<String>) -> Self {
        Self { message: message.into(), line: Some(line), column: Some(column), ..Self::default() }
    }
}

/// The error of the domain. It is one pointer wide, so that a `Result` stays small.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: ErrorCode,
    message: String,
    sqlstate: Option<String>,
    faults: Vec<Fault>,
    context: Option<String>,
    retry_after: Option<Duration>,
    is_while_connecting: bool,
}

impl Error {
    /// An error with a message for the caller: lowercase, no full stop, saying what to do.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            sqlstate: None,
            faults: Vec::new(),
            context: None,
            retry_after: None,
            is_while_connecting: false,
        }))
    }

    /// A fault in Tidegate itself; `context` says what, in the log only.
    pub fn internal(context: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, "something went wrong in tidegate; the request id finds it in the log")
            .with_context(context)
    }

    /// `what` with this name or id does not exist, or may not be seen.
    pub fn not_found(what: &str, which: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {what} `{which}`"))
    }

    /// An argument of a call is wrong.
    pub fn invalid_argument(argument: impl Into<String>, message: impl Into<String>) -> Self {
        let fault = Fault::of(argument, message);
        Self::new(ErrorCode::InvalidArgument, fault.message.clone()).with_faults(vec![fault])
    }

    /// Adds context for the log. It never reaches an answer.
    #[must_use]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        self.0.context = Some(match self.0.context.take() {
            Some(earlier) => format!("{context}: {earlier}"),
            None => context.to_string(),
        });
        self
    }

    /// Says in front of the message which part of the request is wrong.
    #[must_use]
    pub fn in_part(mut self, part: impl fmt::Display) -> Self {
        self.0.message = format!("{part}: {}", self.0.message);
        self
    }

    /// Says it in other words.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Adds the places of the faults.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.0.faults = faults;
        self
    }

    /// Adds the state code that the database gave: five characters of SQLSTATE, or the engine's own number.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.0.sqlstate = Some(sqlstate.into());
        self
    }

    /// Says that trying again is of no use before this time has passed.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Says that no session could be opened, so that nothing of the call has reached the source.
    #[must_use]
    pub fn while_connecting(mut self) -> Self {
        self.0.is_while_connecting = true;
        self
    }

    /// What went wrong.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What to tell the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where, when that is known.
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// The database's own state code.
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// When to try again at the earliest, in whole seconds and at least 1; one second when too many call at once or a part
    /// of Tidegate is away. None when nothing is known of it.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match (self.0.retry_after, self.code()) {
            (Some(wait), _) => Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)),
            (None, ErrorCode::RateLimited | ErrorCode::Unavailable) => Some(1),
            (None, _) => None,
        }
    }

    /// Whether no session could be opened.
    pub fn is_while_connecting(&self) -> bool {
        self.0.is_while_connecting
    }

    /// What the log should say beside the message.
    pub fn context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())?;
        for fault in self.faults() {
            write!(f, " [{fault:?}]")?;
        }
        match self.context() {
            Some(context) => write!(f, " ({context})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let text = "SELECT 'é',\n  x";
        let place = |offset| {
            let fault = Fault::at_offset(text, offset, "wrong");
            (fault.line.unwrap(), fault.column.unwrap())
        };
        assert_eq!((place(0), place(6)), ((1, 1), (1, 7)));
        let e = "SELECT 'é".len();
        // The second half of a character is in it.
        assert_eq!((place(e), place(e - 1), place(e - 2)), ((1, 10), (1, 9), (1, 9)));
        assert_eq!((place(text.len() - 4), place(text.len() - 3), place(text.len() - 1)), ((1, 12), (2, 1), (2, 3)));
        assert_eq!((place(text.len()), place(999)), ((2, 4), (2, 4)));
    }

    #[test]
    fn the_time_to_wait_is_rounded_up_to_whole_seconds() {
        let after =
            |wait| Error::new(ErrorCode::SourceUnavailable, "away").with_retry_after(wait).retry_after_seconds();
        assert_eq!(after(Duration::ZERO), Some(1));
        assert_eq!(after(Duration::from_millis(4001)), Some(5));
        assert_eq!(after(Duration::from_secs(5)), Some(5));
        assert_eq!(Error::new(ErrorCode::SourceUnavailable, "away").retry_after_seconds(), None);
        assert_eq!(Error::new(ErrorCode::RateLimited, "busy").retry_after_seconds(), Some(1));
    }
}
