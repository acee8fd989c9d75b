//! How a command fails: what it prints and the exit code it ends with.

use std::io;

use console::style;

use crate::{client::Problem, diagnostic::Diagnostic, terminal};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Anything that one line explains.
    #[error("{0}")]
    Message(String),
    /// The command line does not make sense.
    #[error("{0}")]
    Usage(String),
    /// The standard output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The server refused; `at` is the place in a file that it refused.
    #[error("{problem}")]
    Problem {
        /// What it says.
        problem: Box<Problem>,
        /// Where in the files.
        at: Vec<Diagnostic>,
    },
    /// A part of Tidegate in this process failed. The context, which answers never carry, is for who runs it.
    #[error("{}{}", .0, .0.context().map(|context| format!(" ({context})")).unwrap_or_default())]
    Local(#[from] tidegate_core::Error),
    /// Files are wrong. Each finding is one line.
    #[error("{}", if *.0 == 1 { "1 fault".to_owned() } else { format!("{} faults", .0) })]
    Faults(usize),
}

impl Failure {
    pub(crate) fn message(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// Prints what there is to say and gives the exit code: 1 when the thing asked failed, 2 for a wrong command line.
    pub(crate) fn report(&self) -> u8 {
        if let Self::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            // The reader has seen enough.
            return 0;
        }
        if let Self::Problem { at, .. } = self {
            at.iter().for_each(|diagnostic| terminal::note(terminal::printable(&diagnostic.to_string())));
        }
        let prefix = style("error:").red().bold().for_stderr();
        terminal::note(format_args!("{prefix} {}", terminal::printable(&self.to_string())));
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}
