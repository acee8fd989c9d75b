//! What templates become, and what is wrong with them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value as Json, json};
use tidegate_core::{
    Error, ErrorCode,
    parameter::{Parameter, ParameterType},
    value::Value,
};
use tidegate_statement::{Bind, Class, Dialect, Statement, Template};

fn parameters() -> Vec<Parameter> {
    serde_json::from_value(json!([
        {"name": "name", "type": "string", "required": false},
        {"name": "id", "type": "integer", "required": false},
        {"name": "price", "type": "number", "required": false},
        {"name": "flag", "type": "boolean", "required": false},
        {"name": "since", "type": "date", "required": false},
        {"name": "until", "type": "date", "required": false},
        {"name": "at", "type": "timestamp", "required": false},
        {"name": "key", "type": "uuid", "required": false},
        {"name": "doc", "type": "json", "required": false},
        {"name": "col", "type": "enum", "enum": ["origin", "we\"ird`"], "required": false},
        {"name": "ids", "type": "list", "items": {"type": "integer"}, "required": false},
        {"name": "days", "type": "list", "items": {"type": "date"}, "required": false},
        {"name": "sorts", "type": "list", "items": {"type": "enum", "enum": ["a", "b"]}, "required": false},
    ]))
    .unwrap()
}

/// Compiles with the parameters that the text names.
fn compile(text: &str, dialect: Dialect) -> Result<Template, Error> {
    let named = |parameter: &Parameter| {
        let is_word = |at: usize| !text[at..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        text.match_indices(&parameter.name).any(|(at, name)| {
            is_word(at + name.len()) && (at == 0 || !text[..at].ends_with(|c: char| c.is_alphanumeric()))
        })
    };
    Template::compile(text, &parameters().into_iter().filter(named).collect::<Vec<_>>(), dialect)
}

fn bind(text: &str, arguments: Json) -> Statement {
    let template = compile(text, Dialect::Postgres).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let arguments = template.arguments(arguments.as_object().unwrap()).unwrap();
    template.bind(&arguments).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn values(statement: &Statement) -> Vec<(ParameterType, Value)> {
    statement.binds().iter().map(|Bind { value, kind }| (*kind, value.clone())).collect()
}

fn string(text: &str) -> (ParameterType, Value) {
    (ParameterType::String, Value::String(text.into()))
}

fn integer(integer: i64) -> (ParameterType, Value) {
    (ParameterType::Integer, Value::Integer(integer))
}

#[test]
fn values_become_placeholders_of_the_dialect() {
    let text = "SELECT * FROM t WHERE a = {{ id }} AND b = {{ name }} AND c = {{ id }};";
    for (dialect, expected) in [
        (Dialect::Postgres, "SELECT * FROM t WHERE a = $1 AND b = $2 AND c = $3"),
        (Dialect::Mysql, "SELECT * FROM t WHERE a = ? AND b = ? AND c = ?"),
        (Dialect::Sqlite, "SELECT * FROM t WHERE a = ?1 AND b = ?2 AND c = ?3"),
    ] {
        let template = compile(text, dialect).unwrap();
        let arguments = template.arguments(json!({"id": 7, "name": "'; DROP"}).as_object().unwrap()).unwrap();
        let statement = template.bind(&arguments).unwrap();
        assert_eq!(statement.text(), expected);
        assert_eq!(values(&statement), [integer(7), string("'; DROP"), integer(7)]);
        assert_eq!((statement.dialect(), statement.class()), (dialect, Class::Read));
    }
}

#[test]
fn values_keep_their_declared_type() {
    let statement = bind(
        "SELECT {{ price }}, {{ since }}, {{ at }}, {{ key }}, {{ flag }}, {{ doc }}, {{ days | first if days else none }}, \
         {{ since or until }}, {{ until | default(since) }} {% set day = since %}, {{ day }}",
        json!({"price": 12345678901234567890.10, "since": "2024-01-02", "at": "2024-01-02T03:04:05+01:00",
               "key": "0190b1c0-7e50-7cc3-98c4-dc0c0c07398f", "flag": true, "doc": {"a": [1]}, "days": ["2024-02-03"]}),
    );
    let kinds: Vec<_> = statement.binds().iter().map(|bind| bind.kind).collect();
    use ParameterType::{Boolean, Date, Json, Number, Timestamp, Uuid};
    assert_eq!(kinds, [Number, Date, Timestamp, Uuid, Boolean, Json, Date, Date, Date, Date]);
}

#[test]
fn numbers_keep_their_digits() {
    let arguments = serde_json::from_str(r#"{"price": 12345678901234567890.123450}"#).unwrap();
    let statement = bind("SELECT {{ price }}", arguments);
    assert_eq!(statement.binds()[0].value, Value::Number("12345678901234567890.123450".into()));
}

#[test]
fn what_was_not_given_is_false_and_binds_null_of_its_type() {
    let text = "SELECT {{ since }}, {{ ids | inlist }}{% if since %}, 1{% endif %}{% if since is none %}, 2{% endif %}\
                {% for i in ids %}, {{ i }}{% endfor %}, {{ name ~ '%' }}, {{ doc.a.b }}, {{ id | default(3) }}";
    let statement = bind(text, json!({}));
    assert_eq!(statement.text(), "SELECT $1, NULL, 2, $2, $3, $4");
    let null = |kind| (kind, Value::Null);
    assert_eq!(values(&statement), [null(ParameterType::Date), string("%"), null(ParameterType::Json), integer(3)]);
}

#[test]
fn computed_values_bind_as_what_they_are() {
    let statement = bind(
        "SELECT {{ '%' ~ name ~ '%' }}, {{ name | default('') | upper }}, {{ ((id | default(1) | int) - 1) * 10 }}, {{ id is not none and id > 3 }}, {{ (id | default(1) | int) / 2 }}, {{ ids | length }}, \
         {{ 'SELECT 1' }}, {{ none }}, {{ ids | join(',') }}, {{ name | default('') | replace('a', 'b') | trim }}",
        json!({"name": "Ua ", "id": 5, "ids": [1, 2]}),
    );
    assert_eq!(
        values(&statement),
        [
            string("%Ua %"),
            string("UA "),
            integer(40),
            (ParameterType::Boolean, Value::Boolean(true)),
            (ParameterType::Number, Value::Number("2.5".into())),
            integer(2),
            string("SELECT 1"),
            (ParameterType::String, Value::Null),
            string("1,2"),
            string("Ub"),
        ]
    );
}

#[test]
fn lists_spread_out_and_loop() {
    let text = "SELECT 1 WHERE a IN ({{ ids | inlist }}) OR {% for i in ids %}{{ i }} = b{% if not loop.last %} OR {% endif %}{% else %}false{% endfor %}";
    let statement = bind(text, json!({"ids": [4, 5]}));
    assert_eq!(statement.text(), "SELECT 1 WHERE a IN ($1, $2) OR $3 = b OR $4 = b");
    assert_eq!(values(&statement), [integer(4), integer(5), integer(4), integer(5)]);
    assert_eq!(bind(text, json!({"ids": []})).text(), "SELECT 1 WHERE a IN (NULL) OR false");
    let days = bind("SELECT {{ days | sort | inlist }}", json!({"days": ["2024-02-01", "2024-01-01"]}));
    assert_eq!(days.binds()[0].value, Value::Date("2024-01-01".parse().unwrap()));
    assert_eq!(days.binds()[1].kind, ParameterType::Date);
}

#[test]
fn identifiers_are_quoted_and_come_from_enums() {
    let text = "SELECT * FROM t{% if col %} ORDER BY {{ col | ident }}{% endif %}";
    assert_eq!(bind(text, json!({})).text(), "SELECT * FROM t");
    let statement = bind(text, json!({"col": "we\"ird`"}));
    assert_eq!((statement.text(), statement.binds().len()), ("SELECT * FROM t ORDER BY \"we\"\"ird`\"", 0));
    let template = compile(text, Dialect::Mysql).unwrap();
    let arguments = template.arguments(json!({"col": "we\"ird`"}).as_object().unwrap()).unwrap();
    assert_eq!(template.bind(&arguments).unwrap().text(), "SELECT * FROM t ORDER BY `we\"ird```");
    let listed = bind("SELECT 1{% for s in sorts %}, {{ s | ident }}{% endfor %}", json!({"sorts": ["b", "a"]}));
    assert_eq!(listed.text(), "SELECT 1, \"b\", \"a\"");
}

#[test]
fn members_of_documents_bind_as_what_they_are() {
    let arguments =
        serde_json::from_str(r#"{"doc": {"a": "x", "n": 1.10, "i": 3, "b": false, "l": [1, "2"], "o": {"p": null}}}"#)
            .unwrap();
    let statement = bind(
        "SELECT {{ doc.a }}, {{ doc.n }}, {{ doc['i'] }}, {{ doc.b }}, {{ doc.l }}, {{ doc.o.p }}, {{ doc.l[1] }}, {{ doc.l | inlist }}\
         {% if doc.missing %}, 1{% endif %}{% for k in doc %}, {{ k }}{% endfor %}",
        arguments,
    );
    let values = values(&statement);
    assert_eq!(
        values[..4],
        [
            string("x"),
            (ParameterType::Number, Value::Number("1.10".into())),
            integer(3),
            (ParameterType::Boolean, Value::Boolean(false))
        ]
    );
    assert_eq!(values[4], (ParameterType::Json, Value::Json(json!([1, "2"]))));
    assert_eq!(values[5..9], [(ParameterType::String, Value::Null), string("2"), integer(1), string("2")]);
    assert_eq!(values[9..].iter().filter(|value| value.0 == ParameterType::String).count(), 6);
}

#[test]
fn what_would_smuggle_text_binds_or_is_refused() {
    let bound = bind(
        "SELECT {% autoescape false %}{{ name }}{% endautoescape %}, {% autoescape 'html' %}{{ name }}{% endautoescape %}",
        json!({"name": "1 --"}),
    );
    assert_eq!((bound.text(), values(&bound)), ("SELECT $1, $2", vec![string("1 --"), string("1 --")]));
    let bound = bind(
        "SELECT {{ [name, 'b'] | join(' OR ') }}, {{ {'a': name} | items | first | last }}",
        json!({"name": "1 --"}),
    );
    assert_eq!((bound.text(), values(&bound)), ("SELECT $1, $2", vec![string("1 -- OR b"), string("1 --")]));
}

/// The line, the column and the message of every fault.
fn faults(error: &Error) -> Vec<(u32, u32, &str)> {
    error.faults().iter().map(|f| (f.line.unwrap_or(0), f.column.unwrap_or(0), f.message.as_str())).collect()
}

#[test]
fn every_fault_of_a_template_has_its_place_and_says_what_to_do() {
    use Dialect::{Mysql, Postgres, Sqlite};
    let quoted = "a value is in a quoted string: drop the quotes, and join texts as `'%' || {{ name }} || '%'` or `{{ '%' ~ name ~ '%' }}`";
    let comment = "a value is in a comment of the SQL: take it out, or write the comment as `{# … #}`";
    let glued = "a value touches a word or number: put a space between them; to join texts write `{{ 'a' ~ name }}`";
    let list = "a list cannot be one value: write `IN ({{ name | inlist }})`, or a `{% for %}` loop";
    let ident = "`ident` takes an enum parameter and nothing else: declare one with the names that are allowed";
    let no_value = |text: &str| {
        format!("`{text}` is a placeholder without a value: declare a parameter and write `{{{{ name }}}}`")
    };
    let arithmetic = |sign: &str| {
        format!(
            "`{sign}` takes whole numbers in a template, such as an integer parameter; compute anything else in the SQL, and join texts with `~`"
        )
    };
    let table: Vec<(Dialect, &str, u32, u32, String)> = vec![
        // Names
        (Postgres, "SELECT {{ name }},\n  {{ nmae }}", 2, 6, "there is no parameter `nmae`; did you mean `name`?".into()),
        (Postgres, "SELECT {{ zzz }}", 1, 11, "there is no parameter `zzz`: none is declared".into()),
        (Postgres, "SELECT 1 {% if false %}{{ zzz }}{% endif %}", 1, 27, "there is no parameter `zzz`: none is declared".into()),
        (Postgres, "SELECT 'é', {{ zzz }}", 1, 16, "there is no parameter `zzz`: none is declared".into()),
        (Postgres, "SELECT {{ name | uper }}", 1, 18, "there is no filter `uper`; did you mean `upper`?".into()),
        (Postgres, "SELECT {{ name | safe }}", 1, 18, "there is no filter `safe`: every value is bound, and none can become SQL".into()),
        (Postgres, "SELECT 1{% if name is nune %}{% endif %}", 1, 23, "there is no test `nune`; did you mean `none`?".into()),
        (Postgres, "SELECT {{ range(3) }}", 1, 11, "there is no function `range`".into()),
        (Postgres, "SELECT {{ name.upper() }}", 1, 15, "there is no method `upper`; use a filter, as in `{{ name | upper }}`".into()),
        (Postgres, "SELECT {{ name.first }}", 1, 11, "only a json parameter has members".into()),
        // Syntax
        (Postgres, "SELECT {{ name", 1, 11, "the template cannot be read: unexpected end of input, expected end of variable block".into()),
        (Postgres, "SELECT 1\n{% if name %}", 2, 12, "the template cannot be read: unexpected end of input, expected end of block".into()),
        (Postgres, "SELECT {% include 'x' %}", 1, 11, "the template cannot be read: unknown statement include".into()),
        (Postgres, "{% macro m() %}{% endmacro %}SELECT 1", 1, 4, "the template cannot be read: unknown statement macro".into()),
        (Postgres, "SELECT 1\u{1}", 1, 9, "take out the control character U+0001".into()),
        // What cannot become SQL
        (Postgres, "{% set y %}x{% endset %}SELECT 1", 1, 4, "`{% set %}` with a block makes text, and text cannot become SQL: repeat the SQL, or set a value with `{% set name = … %}`".into()),
        (Postgres, "SELECT {% filter upper %}x{% endfilter %}", 1, 11, "`{% filter %}` makes text, and text cannot become SQL: put the filter on a value, as in `{{ name | upper }}`".into()),
        (Postgres, "SELECT * FROM {{ name | ident }}", 1, 18, ident.into()),
        (Postgres, "SELECT * FROM {{ 'x' | ident }}", 1, 18, ident.into()),
        (Postgres, "{% set col = name %}SELECT * FROM {{ col | ident }}", 1, 38, ident.into()),
        (Postgres, "SELECT {{ (col | ident) ~ 'x' }}", 1, 18, "`ident` has to be the last filter, and stand alone, as in `{{ name | ident }}`".into()),
        (Postgres, "SELECT {{ ids | inlist | upper }}", 1, 17, "`inlist` has to be the last filter, and stand alone, as in `{{ name | inlist }}`".into()),
        (Postgres, "SELECT 1 IN ({{ name | inlist }})", 1, 17, "`inlist` takes a list; write a single value as `{{ name }}`".into()),
        (Postgres, "SELECT {{ ids }}", 1, 11, list.into()),
        (Postgres, "SELECT {{ [1, 2] }}", 1, 11, list.into()),
        (Postgres, "SELECT {{ name if id }}", 1, 11, "an `if` without `else` may have no value; write `… else none`".into()),
        (Postgres, "SELECT 1{% for x in name %}{% endfor %}", 1, 21, "only a list can be looped over".into()),
        (Postgres, "SELECT {{ {'a': 1} }}", 1, 11, "this is not a value that a database knows".into()),
        // Comparisons and arithmetic
        (Postgres, "SELECT 1{% if since > '2024-01-01' %}, 2{% endif %}", 1, 15, "a date can only be compared with another date in a template; compare it in the SQL".into()),
        (Postgres, "SELECT 1{% if price == 3 %}, 2{% endif %}", 1, 15, "a number can only be compared with another number in a template; compare it in the SQL".into()),
        (Postgres, "SELECT 1{% if name == none %}, 2{% endif %}", 1, 15, "compare with none as `name is none` or `name is not none`".into()),
        (Postgres, "SELECT 1{% if name is defined %}, 2{% endif %}", 1, 23, "a parameter is always defined; write `{% if name %}` or `{% if name is not none %}`".into()),
        (Postgres, "SELECT {{ price + 1 }}", 1, 11, arithmetic("+")),
        (Postgres, "SELECT {{ 'x' * 1000000000 }}", 1, 11, arithmetic("*")),
        // Quotes and comments
        (Postgres, "SELECT *\nFROM t\nWHERE a LIKE '%{{ name }}%'", 3, 16, quoted.into()),
        (Mysql, "SELECT '{{ name }}'", 1, 9, quoted.into()),
        (Mysql, "SELECT \"{{ name }}\"", 1, 9, quoted.into()),
        (Mysql, "SELECT ' \\' {{ name }} '", 1, 13, quoted.into()),
        (Postgres, "SELECT $x$ {{ name }} $x$", 1, 12, quoted.into()),
        (Postgres, "SELECT E'\\' {{ name }}'", 1, 13, quoted.into()),
        (Sqlite, "SELECT 1{% for i in ids %}, '{{ i }}'{% endfor %}", 1, 30, quoted.into()),
        (Postgres, "SELECT 1{% if name %}{% else %}\n, '{{ id }}'{% endif %}", 2, 4, quoted.into()),
        (Postgres, "SELECT 1 -- {{ name }}", 1, 13, comment.into()),
        (Mysql, "SELECT 1 # {{ name }}", 1, 12, comment.into()),
        (Sqlite, "SELECT 1 /* {{ name }} */", 1, 13, comment.into()),
        (Postgres, "SELECT \"{{ name }}\"", 1, 9, "a value is in a quoted name: a value cannot be a name; for a name use an enum parameter and `{{ name | ident }}` without the quotes".into()),
        (Postgres, "SELECT a{{ id }}", 1, 9, glued.into()),
        (Postgres, "SELECT {{ id }}5", 1, 8, glued.into()),
        (Mysql, "SELECT {{ id }}5", 1, 8, glued.into()),
        (Sqlite, "SELECT {{ id }}{{ name }}", 1, 16, "the statement cannot be parsed: expected: end of statement, found: ?2".into()),
        // Placeholders that the author wrote
        (Mysql, "SELECT {{ id }}, ?", 1, 18, no_value("?")),
        (Postgres, "SELECT {{ id }}, $1", 1, 18, no_value("$1")),
        (Sqlite, "SELECT {{ id }}, ?", 1, 18, no_value("?")),
        (Sqlite, "SELECT {{ id }}, :a", 1, 18, no_value(":a")),
        (Sqlite, "SELECT {{ id }}, @a", 1, 18, no_value("@a")),
        (Sqlite, "SELECT {{ id }}, $a", 1, 18, no_value("$a")),
        // The statement
        (Postgres, "SELECT {{ id }},\n\n  {% if id %}FROM{% endif %} FROM", 3, 30, "the statement cannot be parsed: expected an expression, found: FROM".into()),
        (Postgres, "SELECT 1;\nSELECT {{ id }}", 2, 1, "there is more than one statement; send one, and nothing after its semicolon".into()),
        (Postgres, "SELECT {{ [].a }}", 1, 11, "only a json parameter has members".into()),
        (Postgres, "SELECT {{ (days | first) }}", 1, 19, "this has no value; test it with `{% if … %}` first".into()),
        (Postgres, "SELECT {{ id - 1 }}", 1, 11, "this cannot be computed in a template: a parameter may not be given, which `{% if … %}` tests, and dates and exact numbers are for the SQL to compute with".into()),
    ];
    let mut wrong = Vec::new();
    for (dialect, text, line, column, message) in &table {
        match compile(text, *dialect) {
            Ok(_) => wrong.push(format!("{text:?}: no fault")),
            Err(error) => {
                if faults(&error).first() != Some(&(*line, *column, message)) {
                    wrong.push(format!("{text:?}:\n  {:?}\n  not ({line}, {column}, {message:?})", faults(&error)));
                }
                let statement = message.starts_with("the statement") || message.starts_with("there is more");
                let code = if statement { ErrorCode::InvalidStatement } else { ErrorCode::InvalidTemplate };
                assert_eq!(error.code(), code, "{text}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_faults_come_at_once() {
    let error = Template::compile("SELECT {{ a }}, {{ b | nope }}", &parameters()[..1], Dialect::Postgres).unwrap_err();
    let messages: Vec<&str> = error.faults().iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[3], "the parameter `name` is declared and not used");
    assert_eq!(error.message(), format!("the template has 4 faults; the first: {}", messages[0]));
}

#[test]
fn a_member_that_is_missing_is_a_fault_of_the_call() {
    let template = compile("SELECT {{ doc.a }}", Dialect::Postgres).unwrap();
    let arguments = template.arguments(json!({"doc": {"b": 1}}).as_object().unwrap()).unwrap();
    let error = template.bind(&arguments).unwrap_err();
    assert_eq!(faults(&error), [(1, 11, "this has no value; test it with `{% if … %}` first")]);
}

#[test]
fn errors_never_show_values() {
    let template =
        compile("SELECT {{ id }}{% if id is not none and id > 5 %}, {{ name | int }}{% endif %}", Dialect::Postgres)
            .unwrap();
    let arguments = template.arguments(json!({"id": 9, "name": "secret-value"}).as_object().unwrap()).unwrap();
    let error = template.bind(&arguments).unwrap_err();
    assert!(!format!("{error:?} {error} {arguments:?}").contains("secret-value"), "{error:?}");
}

#[test]
fn endless_and_greedy_templates_are_stopped() {
    let doubling = "{% set x = 'xxxxxxxxxx' %}".to_owned() + &"{% set x = x ~ x %}".repeat(40) + "SELECT {{ x }}";
    let loops = "{% for a in ids %}".repeat(8) + "{{ id }}" + &"{% endfor %}".repeat(8);
    let long = format!("SELECT {{{{ 'a'{} }}}}", " ~ 'a'".repeat(10_000));
    let deep = "{% if true %}".repeat(5_000) + &"{% endif %}".repeat(5_000);
    let elifs = format!("{{% if true %}}{}{{% endif %}}", "{% elif true %}".repeat(3_000));
    let parens = format!("SELECT {{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    for text in [doubling, long, deep, elifs, parens] {
        assert_eq!(compile(&text, Dialect::Postgres).unwrap_err().code(), ErrorCode::InvalidTemplate);
    }
    let template = compile(&format!("SELECT 1 IN ({loops} 1)"), Dialect::Postgres);
    assert!(template.is_err());
    let text = "SELECT 1{% for a in ids %}{% for b in ids %}{% for c in ids %}, 1{% endfor %}{% endfor %}{% endfor %}";
    let template = compile(text, Dialect::Postgres).unwrap();
    let ids: Vec<u32> = (0..1000).collect();
    let arguments = template.arguments(json!({"ids": ids}).as_object().unwrap()).unwrap();
    assert_eq!(template.bind(&arguments).unwrap_err().message(), "the template takes too long: make its loops shorter");
}

#[test]
fn arguments_of_another_template_are_not_taken() {
    let (one, other) =
        (compile("SELECT {{ id }}", Dialect::Sqlite).unwrap(), compile("SELECT {{ id }}", Dialect::Sqlite).unwrap());
    let arguments = one.arguments(json!({"id": 1}).as_object().unwrap()).unwrap();
    assert_eq!(other.bind(&arguments).unwrap_err().code(), ErrorCode::Internal);
}

#[test]
fn a_template_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&compile("SELECT {{ id }}", Dialect::Sqlite).unwrap());
}
