//! What holds for any input.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use tidegate_core::{
    ErrorCode,
    id::{SourceId, TenantId},
    parameter::Parameter,
    result::ColumnType,
    value::Cell,
};
use tidegate_statement::{Binding, CursorKey, Dialect, KeyValue, Parameters, Position, Statement, Subject, Template};

const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

/// A template that uses its values in every way there is.
const TEXT: &str = "SELECT {{ text }}, {{ text ~ '%' }}, {{ text | upper | trim }}, {{ number }}, {{ integer }}, {{ integer > 3 }}, {{ day }},
  {{ doc }}, {{ doc.a }}, {{ [text, 'x'] | join(' OR ') }}
  {% autoescape false %}, {{ text }}{% endautoescape %}
  {% set other = text ~ text %}{% if flag %}, {{ other }}{% else %}, {{ text | default('none') }}{% endif %}
FROM t WHERE a IN ({{ texts | inlist }}) {% for one in texts %} OR b = {{ one }} OR c = {{ one | lower }}{% endfor %}
{% if optional is not none %} AND d = {{ optional }}{% endif %}";

static TEMPLATES: LazyLock<[Template; 3]> = LazyLock::new(|| {
    let parameters: Vec<Parameter> = serde_json::from_value(json!([
        {"name": "text", "type": "string"},
        {"name": "number", "type": "number"},
        {"name": "integer", "type": "integer"},
        {"name": "day", "type": "date"},
        {"name": "doc", "type": "json", "example": {"a": 1}},
        {"name": "flag", "type": "boolean"},
        {"name": "texts", "type": "list", "items": {"type": "string"}},
        {"name": "optional", "type": "string", "required": false},
    ]))
    .unwrap();
    DIALECTS.map(|dialect| Template::compile(TEXT, &parameters, dialect).unwrap())
});

/// Text that is likely to break out of something.
fn text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "'; DROP TABLE t; --",
        "{{ text }}",
        "{% raw %}",
        "$1",
        "?",
        "?1",
        "\u{1}",
        "\\'",
        "*/ x /*",
        "`\"",
        ":name",
        "\0",
        "$$",
        "-- \n",
    ]);
    prop_oneof![any::<String>(), nasty.prop_map(str::to_owned), "[a-z]{12,20}"]
}

fn arguments(flag: bool, count: usize, has_optional: bool) -> impl Strategy<Value = Map<String, Json>> {
    let values = (text(), any::<i64>(), any::<i32>(), 1..28u32, prop::collection::vec(text(), count), text());
    values.prop_map(move |(text, integer, number, day, texts, optional)| {
        let arguments = json!({
            "text": text, "integer": integer, "number": format!("{number}.50"), "day": format!("2024-02-{day:02}"),
            "doc": {"a": text, "b": [integer]}, "flag": flag, "texts": texts,
            "optional": if has_optional { Json::from(optional) } else { Json::Null },
        });
        arguments.as_object().unwrap().clone()
    })
}

fn two_sets() -> impl Strategy<Value = (Map<String, Json>, Map<String, Json>)> {
    (any::<bool>(), 0..5usize, any::<bool>())
        .prop_flat_map(|(flag, count, optional)| (arguments(flag, count, optional), arguments(flag, count, optional)))
}

fn bind(template: &Template, arguments: &Map<String, Json>) -> Statement {
    template.bind(&template.arguments(arguments).unwrap()).unwrap()
}

fn binding() -> Binding {
    let id = |byte| uuid::Uuid::from_bytes([byte; 16]);
    Binding {
        tenant: TenantId::from_uuid(id(1)),
        subject: Subject::Raw { source: SourceId::from_uuid(id(2)), fingerprint: "0123456789abcdef".into() },
        arguments: [3; 32],
    }
}

fn position() -> impl Strategy<Value = Position> {
    let value = prop_oneof![
        any::<i64>().prop_map(|integer| KeyValue::new(ColumnType::Integer, Cell::Integer(integer))),
        any::<String>().prop_map(|text| KeyValue::new(ColumnType::String, Cell::Text(&text))),
        any::<bool>().prop_map(|boolean| KeyValue::new(ColumnType::Boolean, Cell::Boolean(boolean))),
    ];
    let values = prop::collection::vec(value.prop_map(Result::unwrap), 1..4);
    prop_oneof![any::<u64>().prop_map(Position::Offset), values.prop_map(Position::After)]
}

proptest! {
    #[test]
    fn the_text_depends_on_branches_and_lengths_and_never_on_a_value((one, other) in two_sets()) {
        for template in TEMPLATES.iter() {
            let (one, other) = (bind(template, &one), bind(template, &other));
            prop_assert_eq!(one.text(), other.text());
            prop_assert_eq!(one.binds().len(), other.binds().len());
            let kinds = |statement: &Statement| statement.binds().iter().map(|bind| bind.kind).collect::<Vec<_>>();
            prop_assert_eq!(kinds(&one), kinds(&other));
        }
    }

    #[test]
    fn no_value_is_in_the_text(mark in "[a-z]{12,20}") {
        let arguments = json!({
            "text": mark, "integer": 918273645546372819_i64, "number": "918273645546372819.5", "day": "2024-02-03", "doc": {mark.clone(): mark.clone(), "a": mark},
            "flag": true, "texts": [mark, mark], "optional": mark,
        });
        for template in TEMPLATES.iter() {
            let statement = bind(template, arguments.as_object().unwrap());
            let text = statement.text().to_lowercase();
            prop_assert!(!text.contains(&mark) && !text.contains("918273645546372819") && !text.contains("2024"));
        }
    }

    #[test]
    fn the_guard_never_panics(text in any::<String>(), sql in "[ A-Za-z0-9'\"`$?:;,.()\\[\\]{}*/+<>=!@#&|~^%\n\r\\\\-]{0,120}") {
        for dialect in DIALECTS {
            for text in [&text, &sql, &format!("SELECT {sql}"), &format!("SELECT * FROM t WHERE {sql} ORDER BY 1")] {
                if let Err(error) = Statement::raw(text, dialect) {
                    prop_assert_eq!(error.code(), ErrorCode::InvalidStatement);
                }
            }
        }
    }

    #[test]
    fn the_compiler_never_panics(text in any::<String>(), jinja in "([ a-z|.(),'\"~+*0-9-]|\\{\\{|\\}\\}|\\{%|%\\}|\\{#|#\\}|if |endif|for |in |endfor|set |else|is |none){0,60}") {
        let parameters: Vec<Parameter> = serde_json::from_value(json!([{"name": "a", "type": "string"}])).unwrap();
        for text in [&text, &jinja, &format!("SELECT {{{{ a }}}} {jinja}")] {
            if let Err(error) = Template::compile(text, &parameters, Dialect::Postgres) {
                prop_assert!(matches!(error.code(), ErrorCode::InvalidTemplate | ErrorCode::InvalidStatement), "{:?}", error);
            }
        }
    }

    #[test]
    fn patterns_and_arguments_never_panic(pattern in any::<String>(), text in any::<String>(), number in "-?[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,12})?") {
        let declared = json!([{"name": "a", "type": "string", "pattern": pattern, "required": false}, {"name": "b", "type": "number", "minimum": 0}]);
        let declared: Vec<Parameter> = serde_json::from_value(declared).unwrap();
        if let Ok(parameters) = Parameters::new(&declared) {
            let number: Json = serde_json::from_str(&number).unwrap_or(Json::Null);
            let given = json!({"a": text, "b": number});
            let _ = parameters.check(given.as_object().unwrap());
            let _ = parameters.examples();
        }
    }

    #[test]
    fn a_cursor_comes_back_and_no_edit_of_it_does(position in position(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let key = CursorKey::from([5; 32]);
        let cursor = key.seal(&binding(), &position).unwrap();
        prop_assert_eq!(key.open(&cursor, &binding()).unwrap(), position);
        let mut edited = cursor.clone().into_bytes();
        let index = at.index(edited.len());
        edited[index] = with;
        if edited != cursor.as_bytes() {
            let edited = String::from_utf8_lossy(&edited);
            prop_assert_eq!(key.open(&edited, &binding()).unwrap_err().code(), ErrorCode::InvalidCursor);
        }
        let shortened = &cursor[..index];
        prop_assert!(key.open(shortened, &binding()).is_err());
    }

    #[test]
    fn any_text_as_a_cursor_is_refused(text in any::<String>()) {
        prop_assert!(CursorKey::from([5; 32]).open(&text, &binding()).is_err());
    }
}
