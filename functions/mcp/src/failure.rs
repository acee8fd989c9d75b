//! Errors as text that a model can act on.

use std::fmt::Write;

use tidegate_core::{Error, ErrorCode, error::Fault, id::RequestId};

/// The text of a tool error: the code, the message, each fault with its place, and what to try.
pub(crate) fn explained(error: &Error, request: RequestId) -> String {
    let mut text = format!("{}: {}", error.code(), error.message());
    if let Some(sqlstate) = error.sqlstate() {
        let _ = write!(text, " (the database's code: {sqlstate})");
    }
    match error.faults() {
        // The message of a single fault is the message of the error, and names its field.
        [Fault { message, line, column, .. }] if message == error.message() => {
            if let (Some(line), Some(column)) = (line, column) {
                let _ = write!(text, " (line {line}, column {column})");
            }
        }
        faults => faults.iter().for_each(|fault| push_fault(&mut text, fault)),
    }
    if let Some(advice) = advice(error.code()) {
        let _ = write!(text, "\n{advice}");
    }
    if let Some(seconds) = error.retry_after_seconds() {
        let _ = write!(text, "\nNot before {seconds} s have passed.");
    }
    if matches!(error.code(), ErrorCode::Internal | ErrorCode::Unavailable) {
        let _ = write!(text, "\nrequest id: {request}");
    }
    text
}

fn push_fault(text: &mut String, fault: &Fault) {
    text.push_str("\n- ");
    if let Some(field) = &fault.field {
        let _ = write!(text, "{field}: ");
    }
    if let (Some(line), Some(column)) = (fault.line, fault.column) {
        let _ = write!(text, "line {line}, column {column}: ");
    }
    text.push_str(&fault.message);
}

fn advice(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::Timeout => "Narrow the question (a shorter range, fewer rows, an aggregate) and try again.",
        ErrorCode::InvalidCursor => "Call again without `cursor` to begin at the first page.",
        ErrorCode::SourceUnavailable | ErrorCode::Unavailable => "This may pass; try again once, then tell the user.",
        ErrorCode::RateLimited => "Others are using this source; try again later.",
        _ => return None,
    })
}
