//! An error of the database is told in the terms of the template.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value as Json, json};
use tidegate_core::{
    Error, ErrorCode,
    error::Fault,
    parameter::Parameter,
    query::{Direction, OrderColumn},
};
use tidegate_statement::{Dialect, Statement, Template, Window};

fn bind(dialect: Dialect, text: &str, parameters: Json, arguments: Json) -> Statement {
    let parameters: Vec<Parameter> = serde_json::from_value(parameters).unwrap();
    let template = Template::compile(text, &parameters, dialect).unwrap();
    template.bind(&template.arguments(arguments.as_object().unwrap()).unwrap()).unwrap()
}

/// An error whose place is that of a word of the statement.
fn error_at(statement: &Statement, word: &str) -> Error {
    let before = &statement.text()[..statement.text().find(word).unwrap()];
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() as u32 + 1;
    Error::new(ErrorCode::DatabaseError, "no").with_faults(vec![Fault::at(line, column, "no")])
}

fn place(error: &Error) -> (Option<u32>, Option<u32>) {
    let fault = error.faults().first().unwrap();
    (fault.line, fault.column)
}

const TEXT: &str = "SELECT 'é', {{ name }}
{% if since %}  , day >= {{ since }}
{% endif %}, misspelt {#- gone -#}
 , {{ sort | ident }} FROM t WHERE a IN ({{ ids | inlist }}) AND behind";

fn parameters() -> Json {
    json!([
        {"name": "name", "type": "string"},
        {"name": "since", "type": "date", "required": false},
        {"name": "sort", "type": "enum", "enum": ["a\"b", "c"], "default": "c"},
        {"name": "ids", "type": "list", "items": {"type": "integer"}},
    ])
}

#[test]
fn a_place_is_that_of_the_template_whatever_branch_was_taken() {
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
        for arguments in [
            json!({"name": "x", "ids": []}),
            json!({"name": "x", "since": "2024-01-01", "ids": [1, 2, 3], "sort": "a\"b"}),
        ] {
            let statement = bind(dialect, TEXT, parameters(), arguments);
            assert_eq!(place(&statement.locate(error_at(&statement, "SELECT"))), (Some(1), Some(1)));
            assert_eq!(place(&statement.locate(error_at(&statement, "misspelt"))), (Some(3), Some(14)));
            assert_eq!(place(&statement.locate(error_at(&statement, "FROM"))), (Some(4), Some(23)));
            assert_eq!(place(&statement.locate(error_at(&statement, "behind"))), (Some(4), Some(66)));
        }
    }
}

#[test]
fn a_place_of_a_value_is_that_of_its_braces() {
    let arguments = json!({"name": "x", "ids": [1, 2], "since": "2024-01-01", "sort": "a\"b"});
    let statement = bind(Dialect::Postgres, TEXT, parameters(), arguments);
    for (value, at) in [("$1", (1, 13)), ("$2", (2, 26)), ("\"a\"\"b\"", (4, 4)), ("$3", (4, 42)), ("$4", (4, 42))] {
        let located = statement.locate(error_at(&statement, value));
        assert_eq!(place(&located), (Some(at.0), Some(at.1)), "{value}");
    }
}

#[test]
fn a_value_of_the_branch_that_was_not_taken_is_not_blamed() {
    let text = "SELECT {% if a %}{{ a }}{% else %}{{ b }}{% endif %}";
    let parameters = json!([{"name": "a", "type": "integer", "required": false}, {"name": "b", "type": "integer"}]);
    let statement = bind(Dialect::Postgres, text, parameters, json!({"b": 1}));
    let error = Error::new(ErrorCode::DatabaseError, "could not determine data type of parameter $1");
    let located = statement.locate(error);
    assert_eq!(located.message(), "could not determine data type of parameter $1 (the parameter `b`)");
    assert_eq!(place(&statement.locate(error_at(&statement, "$1"))), (Some(1), Some(35)));
}

#[test]
fn a_line_alone_stays_a_line() {
    let statement = bind(Dialect::Mysql, TEXT, parameters(), json!({"name": "x", "ids": [1]}));
    let fault = Fault { line: Some(2), message: "near".into(), ..Fault::default() };
    let error = Error::new(ErrorCode::DatabaseError, "near").with_faults(vec![fault]);
    assert_eq!(place(&statement.locate(error)), (Some(3), None));
}

#[test]
fn a_placeholder_is_named_and_a_quotation_is_left_alone() {
    let text =
        "SELECT {{ name }}, {{ name ~ '%' }}, {{ doc.since }}, {{ 1 + 1 }}{% for id in ids %}, {{ id }}{% endfor %}";
    let parameters = json!([
        {"name": "name", "type": "string"},
        {"name": "since", "type": "date", "required": false},
        {"name": "doc", "type": "json", "example": {"since": 1}},
        {"name": "ids", "type": "list", "items": {"type": "integer"}},
    ]);
    let text = format!("{text}{{% if since %}}{{% endif %}}");
    let statement = bind(Dialect::Postgres, &text, parameters, json!({"name": "x", "ids": [1], "doc": {"since": 1}}));
    let error = Error::new(ErrorCode::DatabaseError, "$1, $2, $3, $4, $5, $6, $, \"$1\" and \"x\" for $1");
    assert_eq!(
        statement.locate(error).message(),
        "$1 (the parameter `name`), $2 (the parameter `name`), $3 (the parameter `doc`), $4 (the value `{{ 1 + 1 }}`), \
         $5 (the value `{{ id }}`), $6, $, \"$1\" and \"x\" for $1 (the parameter `name`)"
    );
}

#[test]
fn a_fault_of_a_value_is_one_of_the_argument_or_of_the_template() {
    let statement = bind(Dialect::Postgres, TEXT, parameters(), json!({"name": "x", "ids": [1]}));
    let error = |code| Error::new(code, "bad").with_faults(vec![Fault::of("$1", "bad $1")]);
    let located = statement.locate(error(ErrorCode::InvalidArgument));
    assert_eq!(located.faults(), [Fault::of("name", "bad $1 (the parameter `name`)")]);
    let located = statement.locate(error(ErrorCode::InvalidStatement));
    assert_eq!(located.faults(), [Fault::at(1, 13, "bad $1 (the parameter `name`)")]);
}

#[test]
fn what_a_page_adds_is_said_to_be_of_the_compiled_statement() {
    let order = [OrderColumn { column: "gone".into(), direction: Direction::Asc }];
    let statement = bind(Dialect::Postgres, TEXT, parameters(), json!({"name": "x", "ids": [1]}));
    let paged = statement.page(Window { rows: 3, from: None, order: &order }).unwrap().statement;
    assert_eq!(place(&paged.locate(error_at(&paged, "misspelt"))), (Some(3), Some(14)));
    for word in ["SELECT * FROM (", "\"gone\""] {
        let located = paged.locate(error_at(&paged, word));
        assert_eq!(place(&located), (None, None));
        let message = &located.faults()[0].message;
        assert!(message.starts_with("no (line ") && message.ends_with(" of the compiled statement)"), "{message}");
    }
    let error = Error::new(ErrorCode::DatabaseError, "$2 and $3");
    assert_eq!(paged.locate(error).message(), "$2 (the parameter `ids`) and $3");
}

#[test]
fn errors_of_other_kinds_and_of_raw_sql_stay_as_they_are() {
    let statement = bind(Dialect::Postgres, TEXT, parameters(), json!({"name": "x", "ids": [1]}));
    assert_eq!(statement.locate(Error::new(ErrorCode::Timeout, "$1")).message(), "$1");
    let raw = Statement::raw("SELECT nam", Dialect::Postgres).unwrap();
    assert_eq!(place(&raw.locate(error_at(&raw, "nam"))), (Some(1), Some(8)));
}
