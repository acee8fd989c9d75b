//! What is wrong in a file, and where.

use std::{fmt, path::PathBuf};

use crate::declaration::{Origin, Place};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The file cannot be used as it is.
    Error,
    /// It can, and its author should know.
    Warning,
}

/// One finding; its `Display` form is the line that editors and terminals turn into a link.
#[derive(Debug)]
pub struct Diagnostic {
    pub(crate) severity: Severity,
    pub(crate) file: PathBuf,
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

impl Diagnostic {
    /// An error of a declared item.
    pub(crate) fn error(origin: &Origin, place: Place, message: impl Into<String>) -> Self {
        let (file, message) = (origin.file.path.clone(), message.into());
        Self { severity: Severity::Error, file, place: Some(place), message }
    }

    /// A warning about a declared item.
    pub(crate) fn warning(origin: &Origin, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, place, message) }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(place) = self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        match self.severity {
            Severity::Error => write!(f, " {}", self.message),
            Severity::Warning => write!(f, " warning: {}", self.message),
        }
    }
}
