//! Rewrites, for the parser alone, what an engine knows and the parser does not. What the tokens say was found out
//! before, and the text that runs stays as it is.

use std::mem;

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use super::tokens::keyword;
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

/// Whether a token may begin something that the parser does not know.
fn may_be_unknown(token: &Token, dialect: Dialect) -> bool {
    let words: &[&str] = match dialect {
        Dialect::Postgres => &["TABLE", "EXCLUDE", "ROWS", "XMLELEMENT", "XMLPI"],
        Dialect::Mysql => &["TABLE", "MOD", "INTERVAL"],
        Dialect::Sqlite => &["TABLE", "EXCLUDE", "INDEXED", "MATERIALIZED", "IS"],
    };
    match token {
        Token::Word(word) if word.quote_style.is_none() => {
            let is = |expected: &&str| word.value.eq_ignore_ascii_case(expected);
            words.iter().any(is) || (dialect == Dialect::Mysql && COMPOUND_UNITS.iter().any(is))
        }
        Token::ShiftLeft | Token::ShiftRight => dialect == Dialect::Sqlite,
        Token::ExclamationMark => dialect == Dialect::Mysql,
        _ => false,
    }
}

/// The same statement as the parser knows it, without spaces and comments.
pub(super) fn to_parser(mut tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Vec<TokenWithSpan> {
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    // Tokens are large, and most statements are in the parser's words already.
    if !tokens.iter().any(|token| may_be_unknown(&token.token, dialect)) {
        return tokens;
    }
    in_known_forms(in_known_words(tokens, dialect), dialect)
}

/// Takes out or replaces the words that the parser does not know.
fn in_known_words(mut tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Vec<TokenWithSpan> {
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
            Dialect::Sqlite if begins(rest, &["NOT", "INDEXED"]) && may_name_table(before) => (Put::Nothing, 2),
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

/// Turns `TABLE t` where a query begins into `SELECT * FROM t`, and the `IS [NOT]` between any two values that SQLite has
/// into `=` and `<>`.
fn in_known_forms(tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Vec<TokenWithSpan> {
    let mut adapted = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    let mut begins_query = true;
    while let Some(token) = rest.next() {
        let word = keyword(&token.token);
        let next = rest.peek().map(|next| &next.token);
        let span = token.span;
        let same_place = |token_instead| TokenWithSpan { token: token_instead, span };
        if word == Keyword::TABLE && begins_query && matches!(next, Some(Token::Word(_))) {
            adapted.push(same_place(Token::make_keyword("SELECT")));
            adapted.push(same_place(Token::Mul));
            adapted.push(same_place(Token::make_keyword("FROM")));
        } else if word == Keyword::IS && dialect == Dialect::Sqlite && next.is_some_and(is_value_after_is) {
            let is_not = next.is_some_and(|next| keyword(next) == Keyword::NOT);
            let not = rest.next_if(|_| is_not);
            match not {
                Some(not) if rest.peek().is_some_and(|next| is_value_after_is(&next.token)) => {
                    adapted.push(TokenWithSpan { token: Token::Neq, span: not.span });
                }
                Some(not) => adapted.extend([token, not]),
                None => adapted.push(same_place(Token::Eq)),
            }
        } else {
            adapted.push(token);
        }
        begins_query = matches!(adapted.last().map(|last| &last.token), Some(Token::LParen | Token::RParen))
            || matches!(
                word,
                Keyword::UNION
                    | Keyword::INTERSECT
                    | Keyword::EXCEPT
                    | Keyword::ALL
                    | Keyword::DISTINCT
                    | Keyword::EXPLAIN
            );
    }
    adapted
}

/// Whether a token after `IS` is not one of the forms that the parser knows.
fn is_value_after_is(token: &Token) -> bool {
    !matches!(keyword(token), Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::DISTINCT)
}

/// Words of SQLite that an expression can follow, which may begin with `NOT indexed`, a column of that name.
const BEFORE_EXPRESSION: [&str; 25] = [
    "ALL",
    "AND",
    "BETWEEN",
    "BY",
    "CASE",
    "DISTINCT",
    "ELSE",
    "ESCAPE",
    "GLOB",
    "HAVING",
    "IN",
    "IS",
    "LIKE",
    "LIMIT",
    "MATCH",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "REGEXP",
    "RETURNING",
    "SELECT",
    "THEN",
    "WHEN",
    "WHERE",
];

/// Whether a token may end the name or the alias of a table.
fn may_name_table(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Word(word)) => {
            let is = |expected: &&str| word.value.eq_ignore_ascii_case(expected);
            word.quote_style.is_some() || !BEFORE_EXPRESSION.iter().any(is)
        }
        Some(Token::SingleQuotedString(_)) => true,
        _ => false,
    }
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
