//! Splits SQL into words, written from the engines' manuals and not from the guard, to hold the guard against it.

use tidegate_statement::Dialect;

/// A part of a statement; spaces and comments are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lexeme<'a> {
    /// A keyword or name without quotes.
    Word(&'a str),
    /// A string, or a name in quotes.
    Quoted,
    /// A parameter: `$1`, `?`, `?1`, `:a`, `@a`.
    Placeholder,
    /// Any other character.
    Sign(char),
}

impl Lexeme<'_> {
    /// Whether it is this keyword.
    pub(crate) fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// The lexemes of a text. None when a string or comment does not end.
pub(crate) fn lexemes(text: &str, dialect: Dialect) -> Option<Vec<Lexeme<'_>>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (lexeme, length) = match first {
            _ if first.is_ascii_whitespace() || first == '\u{b}' => (None, 1),
            '-' if begins_line_comment(rest, dialect) => (None, line(rest)),
            '#' if dialect == Dialect::Mysql => (None, line(rest)),
            '/' if rest.starts_with("/*") => (None, block_comment(rest, dialect)?),
            '\'' => (Some(Lexeme::Quoted), quoted(rest, '\'', dialect == Dialect::Mysql)?),
            '"' => (Some(Lexeme::Quoted), quoted(rest, '"', dialect == Dialect::Mysql)?),
            '`' if dialect != Dialect::Postgres => (Some(Lexeme::Quoted), quoted(rest, '`', false)?),
            '[' if dialect == Dialect::Sqlite => (Some(Lexeme::Quoted), rest.find(']')? + 1),
            '$' if dialect == Dialect::Postgres => dollar(rest)?,
            '?' if dialect != Dialect::Postgres => (Some(Lexeme::Placeholder), 1 + digits(&rest[1..])),
            // SQLite takes neither for anything.
            ':' | '@' if dialect == Dialect::Sqlite && rest[1..].starts_with(first) => (Some(Lexeme::Sign(first)), 2),
            ':' | '@' | '$' if dialect == Dialect::Sqlite && names(&rest[1..]) > 0 => {
                (Some(Lexeme::Placeholder), 1 + names(&rest[1..]))
            }
            // `E'…'` alone has backslashes.
            'e' | 'E' if dialect == Dialect::Postgres && rest[1..].starts_with('\'') => {
                (Some(Lexeme::Quoted), 1 + quoted(&rest[1..], '\'', true)?)
            }
            // A number has no dollar in it, and a name may.
            '0'..='9' if dialect == Dialect::Postgres => (Some(Lexeme::Word(&rest[..digits(rest)])), digits(rest)),
            _ if name(rest) > 0 => (Some(Lexeme::Word(&rest[..name(rest)])), name(rest)),
            other => (Some(Lexeme::Sign(other)), other.len_utf8()),
        };
        found.extend(lexeme);
        rest = &rest[length..];
    }
    Some(found)
}

/// MySQL wants a space behind the dashes.
fn begins_line_comment(text: &str, dialect: Dialect) -> bool {
    text.strip_prefix("--").is_some_and(|rest| {
        dialect != Dialect::Mysql
            || rest.chars().next().is_none_or(|next| next.is_ascii_whitespace() || next.is_control())
    })
}

/// PostgreSQL ends a line at a carriage return as well.
fn line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |end| end + 1)
}

/// The length of a comment; PostgreSQL's nest, and SQLite's end with the text at the latest.
fn block_comment(text: &str, dialect: Dialect) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") && (depth == 0 || dialect == Dialect::Postgres) {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            match rest.chars().next() {
                Some(next) => at += next.len_utf8(),
                None if dialect == Dialect::Sqlite => return Some(text.len()),
                None => return None,
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The length of what is in quotes; a doubled quote is part of it.
fn quoted(text: &str, quote: char, has_backslashes: bool) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' && has_backslashes {
            characters.next()?;
        } else if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// A parameter `$1`, a string `$a$…$a$`, or a lone dollar.
fn dollar(text: &str) -> Option<(Option<Lexeme<'_>>, usize)> {
    let behind = &text[1..];
    if digits(behind) > 0 {
        return Some((Some(Lexeme::Placeholder), 1 + digits(behind)));
    }
    let tag = behind.find(|c: char| !is_name(c) || c == '$').unwrap_or(behind.len());
    if !behind[tag..].starts_with('$') {
        return Some((Some(Lexeme::Sign('$')), 1));
    }
    let delimiter = &text[..tag + 2];
    let end = text[delimiter.len()..].find(delimiter)?;
    Some((Some(Lexeme::Quoted), 2 * delimiter.len() + end))
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// The length of the name or number that a text begins with.
fn name(text: &str) -> usize {
    if text.starts_with('$') { 0 } else { names(text) }
}

/// The length of the characters of names that a text begins with.
fn names(text: &str) -> usize {
    text.find(|c: char| !is_name(c)).unwrap_or(text.len())
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '$') || !character.is_ascii()
}
