//! What is known of the texts that templates became.

use std::sync::{Arc, LazyLock};

use tidegate_core::memory::Memory;

use crate::{Dialect, guard::Analysis};

/// How much memory they may take, in bytes. That is room for thousands: most templates have a handful of branches.
const MOST: u64 = 32 << 20;

/// A text with marks for placeholders, and its dialect: all that an analysis depends on, so that templates share them.
pub(super) type Text = (Dialect, String);

static KNOWN: LazyLock<Memory<Text, Arc<Analysis>>> =
    LazyLock::new(|| Memory::of_bytes(MOST, |(_, text), analysis| text.capacity() + analysis.size()));

/// What is known of a text.
pub(super) fn find(text: &Text) -> Option<Arc<Analysis>> {
    KNOWN.get(text)
}

/// Remembers what was found out about a text.
pub(super) fn remember(text: Text, analysis: Arc<Analysis>) {
    KNOWN.insert(text, analysis);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{Statement, Template};

    fn bind(template: &Template, arguments: &Json) -> Statement {
        template.bind(&template.arguments(arguments.as_object().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn texts_of_any_size_take_so_much_memory_and_no_more_and_the_common_ones_stay() {
        let common = Template::compile("select common(1)", &[], Dialect::Postgres).unwrap();
        let calls = Arc::clone(bind(&common, &json!({})).calls());

        let names: Vec<String> = (0..12).map(|name| format!("name{name}")).collect();
        let parameters = json!([
            {"name": "name", "type": "enum", "enum": names},
            {"name": "many", "type": "list", "items": {"type": "integer"}, "example": [1]},
        ]);
        let long = "x".repeat(60_000);
        let text = format!("select 1 as {{{{ name | ident }}}}{{% for one in many %}}, '{long}'{{% endfor %}}");
        let template =
            Template::compile(&text, &serde_json::from_value::<Vec<_>>(parameters).unwrap(), Dialect::Postgres)
                .unwrap();
        for name in names {
            let statement = bind(&template, &json!({"name": name, "many": vec![1; 16]}));
            assert!(statement.text().len() > 900_000);
            assert!(Arc::ptr_eq(bind(&common, &json!({})).calls(), &calls));
        }
        assert!(KNOWN.size() <= MOST, "{}", KNOWN.size());
        assert!(Arc::ptr_eq(bind(&common, &json!({})).calls(), &calls));
    }
}
