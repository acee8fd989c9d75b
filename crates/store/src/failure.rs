//! Which error of the domain each failure is.

use std::{error::Error as StdError, fmt::Write};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tidegate_core::{Error, ErrorCode};

/// The error of an AWS call that failed in a way its operation does not expect.
///
/// The raw answer is left out of the context: an answer of Secrets Manager holds a secret.
pub(crate) fn of_call<E, R>(part: &str, operation: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
    let mapped = match (error, code) {
        (SdkError::ServiceError(_), Some("ValidationException")) => refused(part, message),
        (SdkError::ConstructionFailure(_), _) => Error::internal("the request cannot be built"),
        _ => unavailable(part),
    };
    mapped.with_context(causes(error)).with_context(operation)
}

/// The error of a request that `part` calls invalid. The only rule that a caller can break is the size of an item. A table
/// whose key is disabled or about to be deleted says so in this way too ("KMS key disabled error: …"); that is no fault of
/// the request.
pub(crate) fn refused(part: &str, message: &str) -> Error {
    if message.starts_with("KMS ") {
        unavailable(part).with_context(message)
    } else if message.to_ascii_lowercase().contains("size") {
        Error::new(ErrorCode::LimitExceeded, "it is too large to be stored: make it smaller than 400 KB")
            .with_context(message)
    } else {
        Error::internal(message)
    }
}

/// `part` does not answer.
pub(crate) fn unavailable(part: &str) -> Error {
    Error::new(ErrorCode::Unavailable, format!("the {part} cannot be reached; try again in a moment"))
}

/// A request that misses a required member: a fault in this crate.
pub(crate) fn incomplete(error: impl std::fmt::Display) -> Error {
    Error::internal(error)
}

/// What an error says, and what each of its causes says.
pub(crate) fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}
