//! Any text as a template.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};
use tidegate_core::{Error, ErrorCode, parameter::Parameter, query::Mode, value::Value};
use tidegate_statement::{Statement, Template};

use crate::{
    dialects,
    lexer::{Lexeme, lexemes},
};

/// Stands in every text of the arguments, in this case and order. No template of the corpus has it.
const MARK: &str = "zqXjv";

/// The bytes from which on the branches of a template are left alone.
const LONG: usize = 4 << 10;

/// A parameter of each type. A template has those that it names.
static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let parameters = json!([
        {"name": "name", "type": "string"},
        {"name": "opt", "type": "string", "required": false},
        {"name": "n", "type": "integer", "example": 3},
        {"name": "x", "type": "number", "required": false},
        {"name": "flag", "type": "boolean"},
        {"name": "day", "type": "date", "required": false},
        {"name": "at", "type": "timestamp"},
        {"name": "ids", "type": "list", "items": {"type": "integer"}},
        {"name": "names", "type": "list", "items": {"type": "string"}, "required": false},
        {"name": "doc", "type": "json", "example": {"a": 1, "b": ["c"]}},
        {"name": "sort", "type": "enum", "enum": ["a", "b\"`c"], "default": "a"},
    ]);
    serde_json::from_value(parameters).expect("they are parameters")
});

/// Arguments that are likely to break out of something.
static ARGUMENTS: LazyLock<Vec<Map<String, Json>>> = LazyLock::new(|| {
    let text = |nasty: &str| format!("{nasty}{MARK}");
    let sets = [
        json!({"name": text("'; DROP TABLE t; --"), "opt": text("{{ name }}"), "n": 1, "x": "1.50", "flag": true, "day": "2024-02-29",
            "at": "2024-05-31T08:30:00Z", "ids": [1, 2, 3], "names": [text("\u{1}"), text("*/")], "doc": {"a": text("?1"), "b": [text("$1")]}, "sort": "b\"`c"}),
        json!({"name": text("\\'"), "n": -9, "flag": false, "at": "2024-05-31T08:30:00Z", "ids": [], "doc": [text("`\"")], "sort": "a"}),
    ];
    sets.into_iter().filter_map(|set| set.as_object().cloned()).collect()
});

pub(crate) fn check(input: &[u8]) {
    let (dialects, text) = dialects(input);
    let has = |name: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    let parameters: Vec<Parameter> = PARAMETERS.iter().filter(|parameter| has(&parameter.name)).cloned().collect();
    for dialect in dialects {
        match Template::compile(&text, &parameters, *dialect) {
            Ok(template) => compiled(&text, &template, &parameters),
            Err(error) => {
                refused(&error);
                let lines = text.matches('\n').count() + 1;
                let is_inside = error.faults().iter().all(|fault| fault.line.is_none_or(|line| line as usize <= lines));
                assert!(is_inside, "{error:?}");
            }
        }
    }
}

fn refused(error: &Error) {
    assert!(matches!(error.code(), ErrorCode::InvalidTemplate | ErrorCode::InvalidStatement), "{error:?}");
}

fn compiled(text: &str, template: &Template, parameters: &[Parameter]) {
    // Every one of up to 128 branches is parsed, which takes its time when they are long.
    if text.len() < LONG {
        for branch in template.branches().expect("every parameter has an example") {
            match branch.statement {
                Ok(statement) => values_are_bound(&statement),
                Err(error) => refused(&error),
            }
        }
    }
    for given in ARGUMENTS.iter() {
        let mut given = given.clone();
        given.retain(|name, _| parameters.iter().any(|parameter| parameter.name == *name));
        let arguments = template.arguments(&given).expect("the arguments fit");
        match template.bind(&arguments) {
            Ok(statement) => {
                values_are_bound(&statement);
                let again = template.bind(&arguments).expect("it was bound a moment ago");
                assert_eq!((statement.text(), statement.binds()), (again.text(), again.binds()));
                no_value_is_text(text, &statement);
            }
            Err(error) => refused(&error),
        }
    }
}

/// There are as many placeholders as values, whoever counts them.
fn values_are_bound(statement: &Statement) {
    // Where a string of PostgreSQL or MySQL ends is for the guard to know, which calls the doubtful ones unknown.
    if statement.require(Mode::Read).is_err() {
        return;
    }
    let words = lexemes(statement.text(), statement.dialect()).expect("the guard has read it");
    let placeholders = words.iter().filter(|word| **word == Lexeme::Placeholder).count();
    assert_eq!(placeholders, statement.binds().len(), "{statement:?}");
}

fn no_value_is_text(template: &str, statement: &Statement) {
    let has_texts = statement.binds().iter().any(|bind| matches!(bind.value, Value::String(_) | Value::Json(_)));
    let mark = MARK.to_lowercase();
    let backwards: String = mark.chars().rev().collect();
    let (template, text) = (template.to_lowercase(), statement.text().to_lowercase());
    for mark in [&mark, &backwards] {
        assert!(!has_texts || template.contains(mark.as_str()) || !text.contains(mark.as_str()), "{statement:?}");
    }
}
