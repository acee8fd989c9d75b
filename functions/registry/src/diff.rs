//! What differs between two revisions of a query.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value as Json;
use similar::TextDiff;
use tidegate_core::{Error, Result, query::Revision};
use utoipa::ToSchema;

/// The field whose text is compared line by line.
const STATEMENT: &str = "/statement";

/// What differs between two revisions of a query.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionDiff {
    /// The number of the revision before.
    from: u64,
    /// The number of the revision after.
    to: u64,
    /// The fields that differ, in the order of the query's fields.
    changes: Vec<FieldChange>,
    /// The lines of the statement that differ, as a unified diff; null when none do.
    statement: Option<String>,
}

/// A field that differs.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// Where it is in the query, as a JSON pointer (RFC 6901).
    path: String,
    /// Its value before; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Json>,
    /// Its value after; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Json>,
}

impl RevisionDiff {
    /// Compares two revisions.
    pub(crate) fn between(before: &Revision, after: &Revision) -> Result<Self> {
        let spec = |revision: &Revision| serde_json::to_value(&revision.spec).map_err(Error::internal);
        let mut changes = Vec::new();
        compare(&mut changes, String::new(), Some(&spec(before)?), Some(&spec(after)?));
        let (old, new) = (&before.spec.statement, &after.spec.statement);
        let statement = (old != new).then(|| {
            TextDiff::from_lines(old, new)
                .unified_diff()
                .header(&format!("revision {}", before.number), &format!("revision {}", after.number))
                .missing_newline_hint(false)
                .to_string()
        });
        Ok(Self { from: before.number, to: after.number, changes, statement })
    }

    /// The same for people: a line for each field, then the lines of the statement.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for FieldChange { path, before, after } in self.changes.iter().filter(|change| change.path != STATEMENT) {
            let _ = match (before, after) {
                (Some(before), Some(after)) => writeln!(text, "{path}: {before} -> {after}"),
                (Some(before), None) => writeln!(text, "{path}: {before} is gone"),
                (None, after) => writeln!(text, "{path}: {} is added", after.as_ref().unwrap_or(&Json::Null)),
            };
        }
        text.push_str(self.statement.as_deref().unwrap_or_default());
        text
    }
}

/// Goes into what both have, and notes what one has not or has otherwise.
fn compare(changes: &mut Vec<FieldChange>, path: String, before: Option<&Json>, after: Option<&Json>) {
    match (before, after) {
        _ if before == after => {}
        (Some(Json::Object(old)), Some(Json::Object(new))) => {
            let removed = old.keys().filter(|key| !new.contains_key(*key));
            for key in new.keys().chain(removed) {
                compare(changes, child(&path, key), old.get(key), new.get(key));
            }
        }
        (Some(Json::Array(old)), Some(Json::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                compare(changes, child(&path, &index.to_string()), old.get(index), new.get(index));
            }
        }
        _ => changes.push(FieldChange { path, before: before.cloned(), after: after.cloned() }),
    }
}

/// The pointer to a member.
fn child(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(before: Json, after: Json) -> Json {
        let mut changes = Vec::new();
        compare(&mut changes, String::new(), Some(&before), Some(&after));
        serde_json::to_value(changes).unwrap()
    }

    #[test]
    fn a_change_is_named_by_the_pointer_to_the_innermost_value() {
        let before = json!({"a": {"b": [1, {"c": null}]}, "same": [1], "gone": 1});
        let after = json!({"a": {"b": [2, {"c": 3}, 4]}, "same": [1], "x/y~z": true});
        assert_eq!(
            changes(before, after),
            json!([
                {"path": "/a/b/0", "before": 1, "after": 2},
                {"path": "/a/b/1/c", "before": null, "after": 3},
                {"path": "/a/b/2", "after": 4},
                {"path": "/x~1y~0z", "after": true},
                {"path": "/gone", "before": 1},
            ])
        );
    }

    #[test]
    fn values_of_other_types_are_one_change_and_equal_ones_none() {
        assert_eq!(changes(json!({"a": [1]}), json!({"a": {}})), json!([{"path": "/a", "before": [1], "after": {}}]));
        assert_eq!(changes(json!({"a": [1]}), json!({"a": [1]})), json!([]));
    }

    #[test]
    fn people_read_fields_first_and_then_the_lines_of_the_statement() {
        let revision = |number: u64, statement: &str, tags: &[&str]| -> Revision {
            let spec = json!({"name": "q", "description": "d", "source": "s", "statement": statement, "tags": tags});
            let nil = "00000000-0000-0000-0000-000000000000";
            let revision = json!({
                "number": number, "spec": spec, "source_id": nil, "columns": null, "proof": "described",
                "saved_at": "2026-01-01T00:00:00Z", "saved_by": nil, "published_at": null,
            });
            serde_json::from_value(revision).unwrap()
        };
        let (before, after) = (revision(1, "SELECT a\nFROM t", &[]), revision(4, "SELECT a, b\nFROM t", &["x"]));
        let text = RevisionDiff::between(&before, &after).unwrap().to_text();
        assert_eq!(
            text,
            "/tags: [\"x\"] is added\n--- revision 1\n+++ revision 4\n@@ -1,2 +1,2 @@\n-SELECT a\n+SELECT a, b\n FROM t\n"
        );
        let back = RevisionDiff::between(&after, &before).unwrap();
        assert!(back.to_text().starts_with("/tags: [\"x\"] is gone\n"));
        let nothing = RevisionDiff::between(&before, &before).unwrap();
        assert_eq!((nothing.changes.len(), nothing.statement), (0, None));
    }
}
