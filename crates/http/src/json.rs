//! JSON bodies.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use tidegate_core::{Error, ErrorCode, error::Fault, name::nearest};

use crate::Problem;

/// A JSON body. What cannot be read says where: line and column of malformed text, the field of a wrong value, and the
/// nearest known field for an unknown one.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        Ok(Self(parse_body(&bytes)?))
    }
}

impl<T: serde::Serialize> IntoResponse for JsonBody<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The problem of a body that could not be collected.
pub fn unreadable(rejection: BytesRejection) -> Problem {
    let error = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::new(ErrorCode::PayloadTooLarge, "the body is larger than 1 MiB")
    } else {
        Error::new(ErrorCode::InvalidRequest, "the body ended before it was complete")
    };
    Problem(error.with_context(rejection))
}

/// Reads the JSON object of a body. No body says as much as an empty object.
pub(crate) fn parse_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    parse(if bytes.is_empty() { b"{}" } else { bytes })
}

/// Reads a JSON object. An array is refused, although serde would take it for a structure field by field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    parse_named("the body", bytes)
}

/// Reads a JSON object like [`parse`], with these words in the place of "the body".
pub fn parse_named<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Error> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        let message = format!("{what} must be a JSON object, not an array");
        return Err(Error::new(ErrorCode::InvalidRequest, message));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        fault_of(what, &field, error.inner())
    })?;
    deserializer.end().map_err(|error| fault_of(what, ".", &error))?;
    Ok(value)
}

fn fault_of(what: &str, path: &str, error: &serde_json::Error) -> Error {
    let place = Fault {
        field: (path != "." && path != "?").then(|| path.to_owned()),
        line: u32::try_from(error.line()).ok().filter(|line| *line > 0),
        column: u32::try_from(error.column()).ok().filter(|_| error.line() > 0),
        message: String::new(),
    };
    let text = error.to_string();
    // serde_json ends its message with the place, which the fault has in fields of its own.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let message = match error.classify() {
        serde_json::error::Category::Data => with_nearest(text),
        serde_json::error::Category::Eof => "the JSON ends too early".to_owned(),
        _ => format!("{what} is not JSON: {text}"),
    };
    Error::new(ErrorCode::InvalidRequest, message.clone()).with_faults(vec![Fault { message, ..place }])
}

/// Adds the nearest known field to serde's message about an unknown one.
pub(crate) fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown "), quoted.next()) {
        (true, Some(given)) => match nearest(given, quoted) {
            Some(near) => format!("{message}; did you mean `{near}`?"),
            None => message.to_owned(),
        },
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::query::QuerySpec;

    fn fault(body: &str) -> (String, Fault) {
        let error = parse::<QuerySpec>(body.as_bytes()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        (error.message().to_owned(), error.faults()[0].clone())
    }

    #[test]
    fn malformed_text_has_a_place() {
        let (message, fault) = fault("{\n  \"name\": }");
        assert_eq!(message, "the body is not JSON: expected value");
        assert_eq!((fault.line, fault.column), (Some(2), Some(11)));
        assert_eq!(super::parse::<QuerySpec>(b"{").unwrap_err().message(), "the JSON ends too early");
    }

    #[test]
    fn an_unknown_field_names_the_nearest() {
        let (message, fault) = fault(r#"{"name": "a", "statment": "x"}"#);
        assert!(message.ends_with("did you mean `statement`?"), "{message}");
        assert_eq!(fault.field.as_deref(), Some("statment"));
    }

    #[test]
    fn a_text_that_is_no_body_is_called_by_its_name() {
        let message =
            |text: &str| parse_named::<QuerySpec>("the file", text.as_bytes()).unwrap_err().message().to_owned();
        assert_eq!(message("[]"), "the file must be a JSON object, not an array");
        assert_eq!(message("{]"), "the file is not JSON: key must be a string");
    }

    #[test]
    fn a_wrong_type_names_the_field() {
        let (message, fault) = fault(r#"{"name": "a", "parameters": [{"name": "x", "type": 3}]}"#);
        assert!(message.contains("expected"), "{message}");
        assert_eq!(fault.field.as_deref(), Some("parameters[0].type"));
    }
}
