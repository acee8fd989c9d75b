//! What is written to the terminal, and how.

use std::{
    borrow::Cow,
    env,
    io::{self, Write},
};

use console::Term;

/// Colours only where a person sees them, and not where `NO_COLOR` asks for none.
pub(crate) fn choose_colours() {
    let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    console::set_colors_enabled(wanted && Term::stdout().is_term());
    console::set_colors_enabled_stderr(wanted && Term::stderr().is_term());
}

/// Writes to the standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Writes a line to the standard error. There is nowhere left to report that this fails.
pub(crate) fn note(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The width of the terminal that the standard output goes to.
pub(crate) fn width() -> Option<u16> {
    let output = Term::stdout();
    output.is_term().then(|| output.size_checked()).flatten().map(|(_, columns)| columns)
}

/// Asks a question that is answered with yes or no; no is the default.
pub(crate) fn confirm(question: &str) -> io::Result<bool> {
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The text without characters that steer a terminal: data from elsewhere must not move the cursor or change a title.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\tb\nc é"), "a\tb\nc é");
        assert_eq!(printable("\u{1b}[2Jx\r\u{9b}1m"), "\u{fffd}[2Jx\u{fffd}\u{fffd}1m");
    }
}
