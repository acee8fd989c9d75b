//! Any text as SQL.

use tidegate_core::{ErrorCode, query::Mode};
use tidegate_statement::{Class, Dialect, Position, Statement, Window};

use crate::{
    dialects,
    lexer::{Lexeme, lexemes},
    sqlite,
};

/// What a statement that only reads can begin with.
const BEGINNINGS: [&str; 8] = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"];

pub(crate) fn check(input: &[u8]) {
    let (dialects, text) = dialects(input);
    for dialect in dialects {
        match Statement::raw(&text, *dialect) {
            Ok(statement) => accepted(&statement),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::InvalidStatement, "{error:?}");
                let lines = text.matches('\n').count() + 1;
                let is_inside = error.faults().iter().all(|fault| fault.line.is_none_or(|line| line as usize <= lines));
                assert!(is_inside, "{error:?}");
            }
        }
    }
}

fn accepted(statement: &Statement) {
    let (text, dialect, class) = (statement.text(), statement.dialect(), statement.class());
    let again = Statement::raw(text, dialect).expect("a statement stays one without its semicolon");
    assert_eq!((again.text(), again.class()), (text, class));
    assert_eq!(statement.require(Mode::Read).is_ok(), class == Class::Read);
    if class != Class::Read {
        return;
    }
    only_reads(text, dialect);
    let page = Window { rows: 11, from: Some(&Position::Offset(20)), order: &[] };
    let page = statement.clone().page(page).expect("a query has pages").statement;
    if let Some(rest) = page.text().strip_prefix(text).filter(|rest| !rest.is_empty()) {
        // Text without parameters can be read again.
        let limit = rest.split_whitespace().map(|word| if word.starts_with(['$', '?']) { "7" } else { word });
        let paged = format!("{text}\n{}", limit.collect::<Vec<_>>().join(" "));
        // What the parser takes and no engine does, such as `WHERE NOT`, may become none with a limit behind it.
        if let Ok(read) = Statement::raw(&paged, dialect) {
            assert_eq!(read.class(), Class::Read, "{paged:?}");
        }
        if dialect == Dialect::Sqlite && sqlite::prepares(text) {
            assert!(sqlite::prepares(&paged), "{paged:?}");
        }
    }
    if dialect == Dialect::Sqlite {
        sqlite::only_reads(text);
    }
}

/// What another reader of SQL says of a statement that the guard takes for one that only reads.
fn only_reads(text: &str, dialect: Dialect) {
    let words = lexemes(text, dialect).unwrap_or_else(|| panic!("{dialect:?} does not see the end of {text:?}"));
    assert!(!words.contains(&Lexeme::Sign(';')), "{dialect:?} sees two statements in {text:?}");
    let first = words.iter().find(|word| **word != Lexeme::Sign('(')).expect("a statement has a word");
    assert!(BEGINNINGS.iter().any(|keyword| first.is(keyword)), "{dialect:?} begins with {first:?}: {text:?}");
    // What these begin is not run, and `SHOW` takes any words.
    if ["EXPLAIN", "DESCRIBE", "DESC", "SHOW"].iter().any(|keyword| first.is(keyword)) {
        return;
    }
    for at in 0..words.len() {
        let word = |after: usize| words.get(at + after).copied().unwrap_or(Lexeme::Quoted);
        let before = at.checked_sub(1).map(|before| words[before]);
        let is_name = before.is_some_and(|before| before.is("AS") || before == Lexeme::Sign('.'));
        if word(0).is("INTO") {
            let writes = match dialect {
                Dialect::Postgres => !is_name,
                Dialect::Mysql => {
                    word(1).is("OUTFILE")
                        || word(1).is("DUMPFILE")
                        || word(1) == Lexeme::Sign('@') && word(2) != word(1)
                }
                Dialect::Sqlite => false,
            };
            assert!(!writes, "{dialect:?} writes by INTO: {text:?}");
        }
        if word(0) == Lexeme::Sign('(') && before.is_some_and(|before| before.is("AS") || before.is("MATERIALIZED")) {
            let writes = (word(1).is("INSERT") || word(1).is("MERGE")) && word(2).is("INTO")
                || word(1).is("DELETE") && word(2).is("FROM")
                || word(1).is("UPDATE") && word(3).is("SET");
            assert!(!writes, "{dialect:?} writes in a common table expression: {text:?}");
        }
    }
}
