//! The read-only guard: what a statement may do, found out before it runs.
//!
//! It is the second line of defence. The first is a login with few privileges and the lock that the connector puts on
//! its engine.

mod adapt;
mod classify;
mod effects;
mod mysql_functions;
mod tokens;

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use sqlparser::{
    ast,
    parser::{Parser, ParserError},
};
use tidegate_core::{Error, ErrorCode, Result, error::Fault};

use self::{
    classify::Finding,
    tokens::{Tokens, TokensError},
};
use crate::{Dialect, place};

/// What a statement may do, from the harmless to the worst. What cannot be told is `Unknown`, which counts as the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// It only reads.
    Read,
    /// It changes rows.
    Write,
    /// It changes the shape of the database.
    Ddl,
    /// It changes the server, the session or a transaction, or reaches outside the database.
    Admin,
    /// It cannot be told.
    Unknown,
}

impl Class {
    /// The word in messages and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Admin => "admin",
            Self::Unknown => "unknown",
        }
    }
}

/// The most bytes of a statement.
pub(crate) const MAX_LENGTH: usize = 1 << 20;

/// The most tokens of a statement, without spaces and comments.
const MAX_TOKENS: usize = 50_000;

/// The most joins of a statement; the parser recurses for each.
const MAX_JOINS: usize = 500;

/// How deep parentheses and expressions may be nested.
const MAX_DEPTH: usize = 100;

/// The limit of the parser's own count, which rises by several for a level of parentheses.
const PARSER_DEPTH: usize = 8 * MAX_DEPTH;

/// The stack on which statements are parsed, in bytes. The parser recurses without a limit in places, and a chain of
/// operators is a tree as deep as it is long, which has to be walked and dropped.
const STACK: usize = 128 << 20;

/// What is known of a text of one statement.
#[derive(Debug)]
pub(crate) struct Analysis {
    /// The text up to its final semicolon.
    pub(crate) text: String,
    /// The dialect it was read in.
    pub(crate) dialect: Dialect,
    /// What it may do.
    pub(crate) class: Class,
    /// What it is that makes it worse than `Read`.
    reason: Option<String>,
    /// Whether it is a query, which can stand in the `FROM` of another.
    pub(crate) is_query: bool,
    /// Whether it is an `EXPLAIN ANALYZE`.
    pub(crate) runs_what_it_explains: bool,
    /// Whether `LIMIT` and `OFFSET` can follow it.
    pub(crate) takes_limit: bool,
    /// What it may call.
    pub(crate) calls: Arc<Calls>,
    /// The first 16 hexadecimal digits of the SHA-256 of the text, once they were asked for.
    pub(crate) fingerprint: OnceLock<Box<str>>,
    /// The same with a `LIMIT` and an `OFFSET` behind it, once it was asked for.
    pub(crate) limited: OnceLock<Arc<Analysis>>,
}

/// The names of what a statement may call, as the engine compares them, in order and once each. SQLite's are not told: it
/// has no functions of the user's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Calls {
    /// Names before a parenthesis: `f(x)`. MySQL: those that are not built in, and all with the name of a database.
    pub functions: Vec<String>,
    /// Names behind a period, which are columns or functions of one argument: `(x).f`.
    pub attributes: Vec<String>,
    /// Names of functions that MySQL or MariaDB has built in, before a parenthesis. The other one may have a function of
    /// the user's own of this name, and so may both where a space is before the parenthesis.
    pub built_in: Vec<String>,
}

impl Calls {
    /// About how much memory they take, in bytes.
    pub fn size(&self) -> usize {
        let names = self.functions.iter().chain(&self.attributes).chain(&self.built_in);
        size_of::<Self>() + names.map(|name| size_of::<String>() + name.len()).sum::<usize>()
    }

    /// Whether nothing can be called.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.attributes.is_empty() && self.built_in.is_empty()
    }
}

impl Analysis {
    /// What it does, as the second half of a sentence.
    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("this statement only reads")
    }

    /// About how much memory it takes, in bytes, once all is known that is asked of it.
    pub(crate) fn size(&self) -> usize {
        let reason = self.reason.as_ref().map_or(0, String::len);
        // The text stands in that of a page once more.
        2 * (size_of::<Self>() + self.text.len()) + reason + self.calls.size()
    }

    /// The same query inside another text.
    pub(crate) fn with_text(&self, text: String) -> Self {
        Self {
            text,
            reason: self.reason.clone(),
            takes_limit: false,
            calls: Arc::clone(&self.calls),
            fingerprint: OnceLock::new(),
            limited: OnceLock::new(),
            ..*self
        }
    }
}

/// Reads a text without placeholders. `InvalidStatement`, with the place, when it is not one statement of the dialect.
pub(crate) fn analyse(text: &str, dialect: Dialect) -> Result<Analysis> {
    analyse_with(text, dialect, &[])
        .map_err(|problem| problem.into_error(|offset, message| Fault::at_offset(text, offset, message)))
}

/// What is wrong with a text, and where.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is not one statement of the dialect.
    Statement { message: String, offset: Option<usize> },
    /// Placeholders stand where no value can; each with its place.
    Placeholders(Vec<(String, usize)>),
}

impl Problem {
    /// The error for the caller; `at` makes the fault to report at an offset of the text.
    pub(crate) fn into_error(self, at: impl Fn(usize, String) -> Fault) -> Error {
        let fault = |message: String, offset: Option<usize>| match offset {
            Some(offset) => at(offset, message),
            None => Fault { message, ..Fault::default() },
        };
        match self {
            Self::Statement { message, offset } => {
                Error::new(ErrorCode::InvalidStatement, message.clone()).with_faults(vec![fault(message, offset)])
            }
            Self::Placeholders(found) => {
                let faults = found.into_iter().map(|(message, offset)| fault(message, Some(offset))).collect();
                crate::parameters::failure(ErrorCode::InvalidStatement, "the statement has", faults)
                    .unwrap_or_else(|| Error::internal("a problem without a place"))
            }
        }
    }
}

/// Reads a text in which our own placeholders stand at `placeholders`, in bytes.
pub(crate) fn analyse_with(text: &str, dialect: Dialect, placeholders: &[Range<usize>]) -> Result<Analysis, Problem> {
    let invalid = |message: &str, offset| Problem::Statement { message: message.to_owned(), offset };
    if text.len() > MAX_LENGTH {
        return Err(invalid("the statement is longer than a megabyte; shorten it", None));
    }
    if let Some(offset) = text.find('\0') {
        return Err(invalid("the statement has a NUL character; take it out", Some(offset)));
    }
    stacker::grow(STACK, || analyse_tokens(text, dialect, placeholders))
}

fn analyse_tokens(text: &str, dialect: Dialect, placeholders: &[Range<usize>]) -> Result<Analysis, Problem> {
    let invalid = |message: &str, offset| Problem::Statement { message: message.to_owned(), offset };
    let mut tokens = match Tokens::read(text, dialect) {
        Ok(tokens) => tokens,
        Err(TokensError { message, offset }) => return Err(Problem::Statement { message, offset: Some(offset) }),
    };
    let misplaced = tokens.misplaced(placeholders);
    if !misplaced.is_empty() {
        return Err(Problem::Placeholders(misplaced));
    }
    let end = tokens.end_of_first_statement().map_err(|offset| {
        invalid("there is more than one statement; send one, and nothing after its semicolon", Some(offset))
    })?;
    // What is sent ends before the semicolon, so nothing else is judged: the parser reads some words otherwise before one.
    tokens.end_at(end);
    let text = text.get(..end).unwrap_or(text);
    let (count, joins) = tokens.count();
    if count > MAX_TOKENS || joins > MAX_JOINS {
        let message =
            format!("the statement is too long: more than {MAX_TOKENS} words and signs, or {MAX_JOINS} joins");
        return Err(Problem::Statement { message, offset: None });
    }
    if let Some(offset) = tokens.deeper_than(MAX_DEPTH) {
        return Err(Problem::Statement { message: too_deep(), offset: Some(offset) });
    }
    let mut finding = tokens.finding();
    let mut calls = tokens.calls();

    let parsed = Parser::new(dialect.grammar())
        .with_recursion_limit(PARSER_DEPTH)
        .with_tokens_with_locations(tokens.for_parser())
        .parse_statements()
        .map_err(|error| parse_problem(text, error))?;
    let [statement] = parsed.as_slice() else {
        return Err(invalid("there is no statement", None));
    };
    finding = finding.or_worse(classify::statement(statement));
    if dialect == Dialect::Mysql {
        calls.functions = mysql_functions::not_built_in(statement);
    }
    let query = match statement {
        ast::Statement::Query(query) => Some(query),
        _ => None,
    };
    Ok(Analysis {
        text: text.to_owned(),
        dialect,
        class: finding.class,
        reason: finding.reason,
        is_query: query.is_some(),
        runs_what_it_explains: classify::runs_what_it_explains(statement),
        takes_limit: query.is_some_and(|query| classify::takes_limit(query, dialect)),
        calls: Arc::new(calls),
        fingerprint: OnceLock::new(),
        limited: OnceLock::new(),
    })
}

fn too_deep() -> String {
    format!("the statement is nested too deeply: more than {MAX_DEPTH} levels")
}

/// The parser writes the place at the end of its message.
fn parse_problem(text: &str, error: ParserError) -> Problem {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return Problem::Statement { message: too_deep(), offset: None };
        }
    };
    let (what, at) = message.rsplit_once(" at Line: ").unwrap_or((&message, ""));
    let place = at.split_once(", Column: ").and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    let offset = place.map(|(line, column)| place::offset(text, line, column));
    let mut what = what.trim().to_owned();
    if let Some(first) = what.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    Problem::Statement { message: format!("the statement cannot be parsed: {what}"), offset }
}
