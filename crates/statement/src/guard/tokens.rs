//! What the tokens of a statement tell before it is parsed.

use std::ops::Range;

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word},
};

use super::{Calls, Class, Finding, MAX_TOKENS, adapt, effects, mysql_functions};
use crate::{Dialect, place};

/// The most placeholders that are reported. To find the line and column of each takes as long as the text is.
const MAX_MISPLACED: usize = 20;

/// The tokens of a text, with their places in bytes.
pub(super) struct Tokens<'a> {
    text: &'a str,
    dialect: Dialect,
    tokens: Vec<TokenWithSpan>,
    ranges: Vec<Range<usize>>,
}

/// Why a text has no tokens, and where.
pub(super) struct TokensError {
    pub(super) message: String,
    pub(super) offset: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn read(text: &'a str, dialect: Dialect) -> Result<Self, TokensError> {
        // A word and the space behind it are five letters or so; larger lists are copied as they grow.
        let mut tokens = Vec::with_capacity((text.len() / 3).min(MAX_TOKENS));
        let read = Tokenizer::new(dialect.grammar(), text).tokenize_with_location_into_buf(&mut tokens);
        if let Err(error) = read {
            return Err(TokensError {
                message: format!("the statement cannot be read: {}", error.message.to_lowercase()),
                offset: place::offset(text, error.location.line, error.location.column),
            });
        }
        let ranges = byte_ranges(text, &tokens);
        Ok(Self { text, dialect, tokens, ranges })
    }

    fn iter(&self) -> impl Iterator<Item = (&Token, &Range<usize>)> {
        self.tokens.iter().map(|token| &token.token).zip(&self.ranges)
    }

    /// The tokens that are neither space nor comment.
    fn significant(&self) -> impl Iterator<Item = (&Token, &Range<usize>)> {
        self.iter().filter(|(token, _)| !matches!(token, Token::Whitespace(_)))
    }

    /// Our placeholders that are not read as such, and parameters that are not ours: the first of them, each with its
    /// place.
    pub(super) fn misplaced(&self, placeholders: &[Range<usize>]) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        for ours in placeholders {
            let index = self.ranges.partition_point(|range| range.end <= ours.start);
            let Some((token, range)) = self.tokens.get(index).zip(self.ranges.get(index)) else { continue };
            if !matches!(token.token, Token::Placeholder(_)) || range != ours {
                found.push((misplaced(&token.token).to_owned(), ours.start));
            }
            if found.len() == MAX_MISPLACED {
                return found;
            }
        }
        let mut before: Option<(&Token, usize)> = None;
        for (token, range) in self.iter() {
            // SQLite reads `:name` and `@name` as parameters, which the tokenizer does not know.
            let is_name = matches!(token, Token::Word(_) | Token::Number(..));
            let prefixed = match before {
                Some((Token::Colon | Token::AtSign, start)) if is_name && self.dialect == Dialect::Sqlite => {
                    Some(start)
                }
                _ => None,
            };
            let foreign = match token {
                Token::Placeholder(_)
                    if placeholders.binary_search_by_key(&range.start, |ours| ours.start).is_err() =>
                {
                    Some(range.start)
                }
                _ => prefixed,
            };
            // One that only overlaps ours was reported above.
            if let Some(start) = foreign.filter(|_| !placeholders.iter().any(|ours| range.contains(&ours.start))) {
                let text = self.text.get(start..range.end).unwrap_or_default();
                found.push((
                    format!(
                        "`{text}` is a placeholder without a value: declare a parameter and write `{{{{ name }}}}`"
                    ),
                    start,
                ));
            }
            if found.len() == MAX_MISPLACED {
                return found;
            }
            before = Some((token, range.start));
        }
        found
    }

    /// Where the first statement ends: at its semicolon, when it has one. The place of what follows, otherwise.
    pub(super) fn end_of_first_statement(&self) -> Result<usize, usize> {
        let mut rest = self.significant().skip_while(|(token, _)| **token != Token::SemiColon);
        let end = rest.next().map_or(self.text.len(), |(_, range)| range.start);
        match rest.find(|(token, _)| **token != Token::SemiColon) {
            Some((_, range)) => Err(range.start),
            None => Ok(end),
        }
    }

    /// Forgets what stands behind a place.
    pub(super) fn end_at(&mut self, end: usize) {
        let count = self.ranges.partition_point(|range| range.end <= end);
        self.tokens.truncate(count);
        self.ranges.truncate(count);
        self.text = self.text.get(..end).unwrap_or(self.text);
    }

    /// The number of tokens, and of joins among them.
    pub(super) fn count(&self) -> (usize, usize) {
        self.significant().fold((0, 0), |(tokens, joins), (token, _)| {
            (tokens + 1, joins + usize::from(matches!(keyword(token), Keyword::JOIN | Keyword::APPLY)))
        })
    }

    /// The place where brackets are nested deeper than `most`.
    pub(super) fn deeper_than(&self, most: usize) -> Option<usize> {
        let mut depth = 0_usize;
        self.iter().find_map(|(token, range)| {
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            (depth > most).then_some(range.start)
        })
    }

    /// What the tokens alone prove: functions with effects, and what the engine reads otherwise than the parser.
    pub(super) fn finding(&self) -> Finding {
        let mut finding = Finding::read();
        let mut worse = |class, reason: String| finding.worsen(class, reason);
        if let Some(reason) = self.unreadable() {
            worse(Class::Unknown, reason);
        }
        let words: Vec<_> = self.significant().map(|(token, _)| token).collect();
        let is_mysql = self.dialect == Dialect::Mysql;
        let is_postgres = self.dialect == Dialect::Postgres;
        for (index, token) in words.iter().enumerate() {
            let next = words.get(index + 1).copied();
            match token {
                Token::Word(word) if next == Some(&Token::LParen) => {
                    if let Some((class, does)) = effects::of(&word.value, self.dialect) {
                        worse(class, format!("`{}` {does}", word.value));
                    }
                }
                // PostgreSQL takes `(x).f` and `t.f` for `f(x)` and `f(t)`.
                Token::Word(word) if is_postgres && follows_period(&words, index) => {
                    if let Some((class, does)) = effects::of(&word.value, self.dialect) {
                        worse(class, format!("`.{}` calls a function that {does}", word.value));
                    }
                }
                // The parser takes it for a column where there is none: `SELECT INTO copy FROM t`.
                Token::Word(_) if is_postgres && keyword(token) == Keyword::INTO && makes_table(&words, index) => {
                    worse(Class::Ddl, "`SELECT INTO` makes a table".into());
                }
                // A string in the next line goes on with the one before, backslashes included.
                Token::EscapedStringLiteral(_) if is_postgres && next.is_some_and(is_string) => {
                    worse(
                        Class::Unknown,
                        "a string goes on after `E'…'`; write it as one string, or join them with `||`".into(),
                    );
                }
                Token::DollarQuotedString(quoted)
                    if quoted.tag.as_ref().is_some_and(|tag| tag.starts_with(|c: char| c.is_ascii_digit())) =>
                {
                    worse(Class::Unknown, "a dollar quote begins with a digit; begin it with a letter".into());
                }
                Token::Word(_) if is_mysql => {
                    let follows = |after: usize, expected: &str| {
                        matches!(words.get(index + after),
                        Some(Token::Word(word)) if word.value.eq_ignore_ascii_case(expected))
                    };
                    if keyword(token) == Keyword::INTO
                        && matches!(next, Some(Token::Word(target)) if is_outlet(&target.value))
                    {
                        worse(Class::Admin, "`INTO` writes a file or a variable".into());
                    } else if keyword(token) == Keyword::INTO && next == Some(&Token::AtSign) {
                        worse(Class::Admin, "`INTO` writes a variable".into());
                    } else if keyword(token) == Keyword::NEXT && follows(1, "value") && follows(2, "for") {
                        worse(Class::Write, "`NEXT VALUE FOR` advances a sequence".into());
                    }
                }
                Token::Assignment if is_mysql => worse(Class::Admin, "`:=` sets a variable of the session".into()),
                // PostgreSQL ends an operator where a comment begins.
                Token::CustomBinaryOperator(operator) if operator.contains("--") || operator.contains("/*") => {
                    worse(
                        Class::Unknown,
                        format!("`{operator}` has a comment in an operator; put a space before the comment"),
                    );
                }
                _ => {}
            }
        }
        for (token, _) in self.iter() {
            match token {
                Token::Whitespace(Whitespace::MultiLineComment(comment)) if is_mysql => {
                    if comment.contains('!') {
                        worse(Class::Unknown, "a comment with `!` may be run as code; take the comment out".into());
                    } else if comment.starts_with('+') && sets_by_hint(comment) {
                        worse(Class::Admin, "an optimizer hint changes a setting".into());
                    }
                }
                _ => {}
            }
        }
        if self.has_unicode_identifier() {
            worse(Class::Unknown, "an identifier is written as `U&\"…\"`; write it with its own letters".into());
        }
        finding
    }

    /// What the statement may call, where the engine can be asked about it. Of what MySQL may call, only the names that
    /// are built in: any other word before a parenthesis may name something else.
    pub(super) fn calls(&self) -> Calls {
        let mut calls = Calls::default();
        if self.dialect == Dialect::Sqlite {
            return calls;
        }
        let words: Vec<_> = self.significant().map(|(token, _)| token).collect();
        for (index, token) in words.iter().enumerate() {
            let Token::Word(word) = token else { continue };
            let is_attribute = follows_period(&words, index);
            if self.dialect == Dialect::Mysql {
                let name = word.value.to_lowercase();
                let is_call = words.get(index + 1) == Some(&&Token::LParen) && !is_attribute;
                if is_call && mysql_functions::is_built_in(&name) {
                    calls.built_in.push(name);
                }
                continue;
            }
            let names = match words.get(index + 1) {
                Some(Token::LParen) if is_attribute || !is_reserved(word) => &mut calls.functions,
                Some(Token::LParen) => continue,
                _ if is_attribute => &mut calls.attributes,
                _ => continue,
            };
            names.push(if word.quote_style.is_some() { word.value.clone() } else { word.value.to_ascii_lowercase() });
        }
        for names in [&mut calls.functions, &mut calls.attributes, &mut calls.built_in] {
            names.sort_unstable();
            names.dedup();
        }
        calls
    }

    /// What engine and parser may read differently, outside strings and quoted names.
    fn unreadable(&self) -> Option<String> {
        let executable = ["/*!", "/*M!", "/*m!"].into_iter().flat_map(|opening| self.text.match_indices(opening));
        for (offset, opening) in executable {
            if self.dialect == Dialect::Mysql && !self.is_quoted(offset) {
                return Some(format!("`{opening}` begins a comment that is run as code; take it out"));
            }
        }
        // `||/*` is an operator and a star for the parser.
        let mut comments = self.text.match_indices("/*");
        if comments.any(|(offset, _)| !self.is_comment(offset) && !self.is_quoted(offset)) {
            return Some("a comment begins in an operator; put a space before the comment".to_owned());
        }
        let strange =
            |c: char| (c.is_whitespace() && !c.is_ascii()) || (c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
        let found = self.text.char_indices().find(|(offset, c)| strange(*c) && !self.is_quoted(*offset))?;
        Some(format!("it has the character U+{:04X} outside a string; write a plain space", u32::from(found.1)))
    }

    /// The token that a place is in, and where it stands.
    fn token_at(&self, offset: usize) -> Option<(&Token, &Range<usize>)> {
        let index = self.ranges.partition_point(|range| range.end <= offset);
        Some((&self.tokens.get(index)?.token, self.ranges.get(index)?))
    }

    fn is_comment(&self, offset: usize) -> bool {
        matches!(
            self.token_at(offset),
            Some((Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)), _))
        )
    }

    /// Whether a place is inside a string or a quoted name, after the opening quote.
    fn is_quoted(&self, offset: usize) -> bool {
        let Some((token, range)) = self.token_at(offset) else { return false };
        let is_quoted = match token {
            Token::Word(word) => word.quote_style.is_some(),
            token => is_string(token),
        };
        is_quoted && range.start < offset
    }

    fn has_unicode_identifier(&self) -> bool {
        self.dialect == Dialect::Postgres
            && self.tokens.windows(3).any(|window| match window {
                [
                    TokenWithSpan { token: Token::Word(u), .. },
                    TokenWithSpan { token: Token::Ampersand, .. },
                    TokenWithSpan { token: Token::Word(name), .. },
                ] => u.quote_style.is_none() && u.value.eq_ignore_ascii_case("u") && name.quote_style == Some('"'),
                _ => false,
            })
    }

    /// The tokens for the parser, in words that it knows.
    pub(super) fn for_parser(self) -> Vec<TokenWithSpan> {
        adapt::to_parser(self.tokens, self.dialect)
    }
}

/// The keyword that a token is; `NoKeyword` for quoted names and everything else.
pub(super) fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

/// Whether a word before a parenthesis can be no function, since PostgreSQL reserves it.
fn is_reserved(word: &Word) -> bool {
    word.quote_style.is_none()
        && matches!(
            word.keyword,
            Keyword::ALL
                | Keyword::AND
                | Keyword::ANY
                | Keyword::ARRAY
                | Keyword::AS
                | Keyword::CASE
                | Keyword::CAST
                | Keyword::DISTINCT
                | Keyword::ELSE
                | Keyword::EXCEPT
                | Keyword::FROM
                | Keyword::HAVING
                | Keyword::IN
                | Keyword::INTERSECT
                | Keyword::LATERAL
                | Keyword::LIMIT
                | Keyword::NOT
                | Keyword::OFFSET
                | Keyword::ON
                | Keyword::OR
                | Keyword::SELECT
                | Keyword::SOME
                | Keyword::THEN
                | Keyword::UNION
                | Keyword::USING
                | Keyword::WHEN
                | Keyword::WHERE
                | Keyword::WITH
        )
}

/// Whether a token stands behind a period, as the attribute of a value.
fn follows_period(words: &[&Token], index: usize) -> bool {
    index.checked_sub(1).and_then(|before| words.get(before)) == Some(&&Token::Period)
}

/// Whether an `INTO`, which PostgreSQL reserves, is that of a `SELECT`.
fn makes_table(words: &[&Token], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| words.get(before)).map(|before| keyword(before));
    !follows_period(words, index) && !matches!(before, Some(Keyword::AS | Keyword::INSERT | Keyword::MERGE))
}

/// Converts the places of the tokens, which are lines and columns in ascending order, to bytes.
fn byte_ranges(text: &str, tokens: &[TokenWithSpan]) -> Vec<Range<usize>> {
    let mut characters = text.char_indices();
    let (mut line, mut column, mut offset) = (1, 1, 0);
    let mut advance = |to: (u64, u64)| {
        while (line, column) < to {
            let Some((at, character)) = characters.next() else { return text.len() };
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
            offset = at + character.len_utf8();
        }
        offset
    };
    let mut range = |span: &Span| {
        let start = advance((span.start.line, span.start.column));
        start..advance((span.end.line, span.end.column))
    };
    tokens.iter().map(|token| range(&token.span)).collect()
}

/// What to say of a placeholder that is part of another token.
fn misplaced(token: &Token) -> &'static str {
    match token {
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
            "a value is in a comment of the SQL: take it out, or write the comment as `{# … #}`"
        }
        Token::Word(word) if word.quote_style.is_some() => {
            "a value is in a quoted name: a value cannot be a name; for a name use an enum parameter and `{{ name | ident }}` without the quotes"
        }
        token if is_string(token) => {
            "a value is in a quoted string: drop the quotes, and join texts as `'%' || {{ name }} || '%'` or `{{ '%' ~ name ~ '%' }}`"
        }
        _ => "a value touches a word or number: put a space between them; to join texts write `{{ 'a' ~ name }}`",
    }
}

fn is_string(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
    )
}

fn is_outlet(word: &str) -> bool {
    word.starts_with('@') || word.eq_ignore_ascii_case("outfile") || word.eq_ignore_ascii_case("dumpfile")
}

fn sets_by_hint(comment: &str) -> bool {
    let comment = comment.to_ascii_lowercase();
    ["set_var", "max_execution_time", "resource_group"].iter().any(|hint| comment.contains(hint))
}
