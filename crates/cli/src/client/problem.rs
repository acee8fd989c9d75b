//! What the API says when it refuses.

use std::fmt;

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tidegate_core::error::Fault;

/// A refusal: a problem document (RFC 9457), or what can be said without one.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// What is wrong and what to do.
    pub(crate) detail: String,
    /// What is wrong, for programs.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// Finds the request in the server's log.
    #[serde(default)]
    pub(crate) request_id: Option<String>,
    /// Each fault with its place.
    #[serde(default)]
    pub(crate) errors: Vec<Fault>,
}

impl Problem {
    pub(crate) async fn read(response: Response) -> Self {
        let (status, address) = (response.status(), response.url().clone());
        let body = response.bytes().await.unwrap_or_default();
        serde_json::from_slice(&body).unwrap_or_else(|_| Self {
            detail: match status {
                StatusCode::NOT_FOUND => format!("{address} does not exist: is the address that of a Tidegate API?"),
                _ => format!("{address} answered {status}"),
            },
            code: None,
            request_id: None,
            errors: Vec::new(),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        // A single fault may say what the whole says.
        let repeats = |fault: &&Fault| fault.line.is_none() && fault.message == self.detail;
        for fault in self.errors.iter().filter(|fault| !repeats(fault)) {
            f.write_str("\n  ")?;
            if let Some(field) = &fault.field {
                write!(f, "{field}: ")?;
            }
            if let Some(line) = fault.line {
                write!(f, "line {line}")?;
                if let Some(column) = fault.column {
                    write!(f, ", column {column}")?;
                }
                f.write_str(": ")?;
            }
            f.write_str(&fault.message)?;
        }
        let code = self.code.iter().map(|code| format!("code {code}"));
        let request = self.request_id.iter().map(|id| format!("request {id}"));
        let marks: Vec<String> = code.chain(request).collect();
        if marks.is_empty() { Ok(()) } else { write!(f, "\n  ({})", marks.join(", ")) }
    }
}
