//! Rewrites, for the parser alone, what an engine knows and the parser does not. What the tokens say was found out
//! before, and the text that runs stays as it is.

use std::mem;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::Dialect;

/// The units of an interval that are made of two.
const COMPOUND_UNITS: [&str; 11] = [
    "YEAR_MONTH",
    "DAY_HOUR",
    "DAY_MINUTE",
    "DAY_SECOND",
    "DAY_MICROSECOND",
    "HOUR_MINUTE",
    "HOUR_SECOND",
    "HOUR_MICROSECOND",
    "MINUTE_SECOND",
    "MINUTE_MICROSECOND",
    "SECOND_MICROSECOND",
];

/// The same statement in words that the parser knows. There is no space among the tokens.
pub(super) fn to_parser(mut tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Vec<TokenWithSpan> {
    let mut adapted: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(rest @ [first, ..]) = tokens.get(at..) {
        let before = adapted.last().map(|before| &before.token);
        let (put, used) = match dialect {
            Dialect::Postgres | Dialect::Sqlite if frame_exclusion(rest) > 0 => (Put::Nothing, frame_exclusion(rest)),
            Dialect::Postgres if is_rows_from(before, rest) => (Put::Instead(Token::make_word("rows_from", None)), 2),
            // `xmlelement(name a, …)`
            Dialect::Postgres if is_word(rest.first(), "NAME") && follows_xml_element(&adapted) => (Put::Nothing, 1),
            Dialect::Sqlite if begins(rest, &["INDEXED", "BY"]) => (Put::Nothing, 3),
            Dialect::Sqlite if begins(rest, &["NOT", "INDEXED"]) => (Put::Nothing, 2),
            Dialect::Sqlite if begins(rest, &["AS", "MATERIALIZED"]) => (Put::First, 2),
            Dialect::Sqlite if begins(rest, &["AS", "NOT", "MATERIALIZED"]) => (Put::First, 3),
            Dialect::Sqlite if matches!(first.token, Token::ShiftLeft | Token::ShiftRight) => {
                (Put::Instead(Token::Plus), 1)
            }
            Dialect::Mysql if COMPOUND_UNITS.iter().any(|unit| is_word(rest.first(), unit)) => {
                (Put::Instead(Token::make_keyword("DAY")), 1)
            }
            // `!a` is as much of an operator as `-a`.
            Dialect::Mysql if first.token == Token::ExclamationMark => (Put::Instead(Token::Minus), 1),
            Dialect::Mysql if is_word(rest.first(), "MOD") && !is_call(rest) => (Put::Instead(Token::Mod), 1),
            Dialect::Mysql if is_word(rest.first(), "INTERVAL") && has_arguments(rest) => {
                (Put::Instead(Token::make_word("interval", Some('`'))), 1)
            }
            _ => (Put::First, 1),
        };
        let span = first.span;
        let token = match put {
            Put::Nothing => None,
            Put::Instead(token) => Some(token),
            Put::First => tokens.get_mut(at).map(|first| mem::replace(&mut first.token, Token::EOF)),
        };
        adapted.extend(token.map(|token| TokenWithSpan { token, span }));
        at += used;
    }
    adapted
}

/// What stands for the first of some tokens.
enum Put {
    Nothing,
    First,
    Instead(Token),
}

/// Whether a token is this word, without quotes.
fn is_word(token: Option<&TokenWithSpan>, expected: &str) -> bool {
    matches!(token.map(|token| &token.token),
        Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

fn begins(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    words.iter().enumerate().all(|(index, word)| is_word(tokens.get(index), word))
}

fn is_call(tokens: &[TokenWithSpan]) -> bool {
    tokens.get(1).is_some_and(|next| next.token == Token::LParen)
}

/// The length of an `EXCLUDE …` at the end of the frame of a window; 0 when there is none.
fn frame_exclusion(tokens: &[TokenWithSpan]) -> usize {
    if !is_word(tokens.first(), "EXCLUDE") {
        return 0;
    }
    let exclusions: [&[&str]; 4] =
        [&["EXCLUDE", "CURRENT", "ROW"], &["EXCLUDE", "NO", "OTHERS"], &["EXCLUDE", "GROUP"], &["EXCLUDE", "TIES"]];
    let found = exclusions
        .iter()
        .find(|words| begins(tokens, words) && tokens.get(words.len()).is_some_and(|next| next.token == Token::RParen));
    found.map_or(0, |words| words.len())
}

/// `FROM ROWS FROM (f(), g())` stands for one function of the others.
fn is_rows_from(before: Option<&Token>, tokens: &[TokenWithSpan]) -> bool {
    let begins_table = matches!(before, Some(Token::Word(word)) if word.quote_style.is_none()
        && ["FROM", "JOIN", "LATERAL"].iter().any(|keyword| word.value.eq_ignore_ascii_case(keyword)));
    begins_table && begins(tokens, &["ROWS", "FROM"]) && tokens.get(2).is_some_and(|next| next.token == Token::LParen)
}

fn follows_xml_element(adapted: &[TokenWithSpan]) -> bool {
    matches!(adapted, [.., function, open]
        if open.token == Token::LParen && (is_word(Some(function), "XMLELEMENT") || is_word(Some(function), "XMLPI")))
}

/// Whether the brackets behind a word hold more than one value: `interval(x, 1, 10)` is a function.
fn has_arguments(tokens: &[TokenWithSpan]) -> bool {
    if !is_call(tokens) {
        return false;
    }
    let mut depth = 0_usize;
    for token in tokens {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth <= 1 => return false,
            Token::RParen => depth -= 1,
            Token::Comma if depth == 1 => return true,
            _ => {}
        }
    }
    false
}
