//! Checks the text of a template before it is parsed: what the parser is not made to bear.

use minijinja::{
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
};
use tidegate_core::error::Fault;

use super::MAX_FAULTS;

/// The most tokens between `{{` and `}}`, or `{%` and `%}`; they are compiled recursively.
const MAX_EXPRESSION: usize = 500;

/// The most tags of a template.
const MAX_TAGS: usize = 5_000;

/// The most levels of `{% if %}` and `{% for %}` in each other.
const MAX_NESTING: usize = 30;

/// The most `{% elif %}`; each is a level as well, for those who read the tree.
const MAX_ELIFS: usize = 200;

/// What is wrong with the text before it is parsed.
pub(crate) fn faults(text: &str) -> Vec<Fault> {
    let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    let mut faults: Vec<Fault> = text
        .char_indices()
        .filter(|(_, c)| strange(*c))
        .take(MAX_FAULTS)
        .map(|(offset, c)| {
            Fault::at_offset(text, offset, format!("take out the control character U+{:04X}", u32::from(c)))
        })
        .collect();
    let (mut tags, mut length, mut elifs, mut depth) = (0, 0, 0, 0_usize);
    let mut is_tag_name = false;
    let tokens = tokenize(text, false, SyntaxConfig::default());
    // A token that cannot be read is a syntax error, which the parser reports.
    for (token, span) in tokens.map_while(Result::ok) {
        match token {
            Token::VariableStart | Token::BlockStart => (tags, length) = (tags + 1, 0),
            _ => length += 1,
        }
        if let Token::Ident(name) = token
            && is_tag_name
        {
            match name {
                "if" | "for" | "with" | "autoescape" => depth += 1,
                "elif" => elifs += 1,
                "endif" | "endfor" | "endwith" | "endautoescape" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        is_tag_name = matches!(token, Token::BlockStart);
        let too_much = if length > MAX_EXPRESSION {
            format!("this expression is too long: more than {MAX_EXPRESSION} words and signs")
        } else if tags > MAX_TAGS {
            format!("the template has more than {MAX_TAGS} tags")
        } else if depth > MAX_NESTING {
            format!("the blocks are nested too deeply: more than {MAX_NESTING} levels")
        } else if elifs > MAX_ELIFS {
            format!("the template has more than {MAX_ELIFS} `{{% elif %}}`")
        } else {
            continue;
        };
        faults.push(Fault::at_offset(text, span.start_offset as usize, too_much));
        break;
    }
    faults
}
