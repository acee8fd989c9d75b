//! Tools: their names, schemas and annotations.

use std::sync::{Arc, LazyLock};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value as Json, json};
use tidegate_core::{
    Name,
    id::QueryId,
    memory::Memory,
    parameter,
    query::{Mode, Query, QuerySpec, Revision},
    result::{Column, ColumnType},
    server::Builtin,
};

/// The argument that goes on behind a page, beside the parameters of a query.
pub(crate) const CURSOR: &str = "cursor";

/// How many tools a process keeps.
const MOST: u64 = 1_000;

/// The tools of queries by version. Every change of a query makes another version, so an entry is never stale.
pub(crate) struct Tools(Memory<(QueryId, u64), Tool>);

impl Default for Tools {
    fn default() -> Self {
        Self(Memory::of_entries(MOST))
    }
}

impl Tools {
    /// The tool of a query by its published revision; a copy shares the schemas.
    pub(crate) fn of_query(&self, query: &Query, published: &Revision) -> Tool {
        let key = (query.id, query.version);
        self.0.get(&key).unwrap_or_else(|| {
            let tool = of_revision(published);
            self.0.insert(key, tool.clone());
            tool
        })
    }
}

fn of_revision(revision: &Revision) -> Tool {
    let spec = &revision.spec;
    let mut input = parameter::json_schema(&spec.parameters);
    let read = spec.mode == Mode::Read;
    if read && takes_cursor(spec) {
        add_cursor(&mut input);
    }
    let mut tool = Tool::new_with_raw(spec.name.to_string(), Some(description(spec).into()), input)
        .with_raw_output_schema(Arc::new(output_schema(revision.columns.as_deref())));
    tool.title = spec.title.clone();
    tool.annotations =
        Some(ToolAnnotations::new().read_only(read).destructive(!read).idempotent(read).open_world(false));
    tool
}

/// What an assistant reads of a query. That it is deprecated comes first, so that another one is chosen.
fn description(spec: &QuerySpec) -> String {
    match &spec.deprecated {
        Some(deprecated) => format!("Deprecated: {deprecated}\n\n{}", spec.description),
        None => spec.description.clone(),
    }
}

/// Whether `cursor` is free to mean the next page.
pub(crate) fn takes_cursor(spec: &QuerySpec) -> bool {
    spec.parameters.iter().all(|parameter| parameter.name != CURSOR)
}

fn add_cursor(schema: &mut JsonObject) {
    let cursor = json!({"type": "string", "description": "next_cursor of the page before, to go on behind it"});
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        properties.insert(CURSOR.to_owned(), cursor);
    }
}

/// The schema of a result. The types of the columns are told in words: a cell that was cut, or a value that only the
/// database's own notation can hold, is a string whatever its column says.
fn output_schema(columns: Option<&[Column]>) -> JsonObject {
    let mut schema = RESULT_SCHEMA.clone();
    if let (Some(columns), Some(Json::Object(rows))) =
        (columns, schema.get_mut("properties").and_then(|p| p.get_mut("rows")))
    {
        let named: Vec<String> = columns.iter().map(described).collect();
        rows.insert("description".to_owned(), json!(format!("[{}]", named.join(", "))));
    }
    schema
}

/// The name of a column, with its type where that is known.
fn described(column: &Column) -> String {
    match serde_json::to_value(column.kind) {
        Ok(Json::String(kind)) if column.kind != ColumnType::Any => format!("{} {kind}", column.name),
        _ => column.name.clone(),
    }
}

static RESULT_SCHEMA: LazyLock<JsonObject> = LazyLock::new(|| {
    object(json!({
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "object"}},
            "rows": {"type": "array", "items": {"type": "array"}},
            "row_count": {"type": "integer"},
            "truncated": {"anyOf": [{"enum": ["rows", "bytes", "cells", "time"]}, {"type": "null"}]},
            "next_cursor": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "elapsed_ms": {"type": "number"}
        },
        "required": ["columns", "rows", "row_count", "truncated", "next_cursor"]
    }))
});

/// A built-in tool over these sources.
pub(crate) fn of_builtin(builtin: Builtin, sources: &[&Name]) -> Tool {
    let names: Vec<&str> = sources.iter().map(|name| name.as_str()).collect();
    let source = json!({"type": "string", "enum": names});
    let mut required: Vec<&str> = if names.len() == 1 { Vec::new() } else { vec!["source"] };
    let (title, description, properties, needs, output) = match builtin {
        Builtin::ListTables => (
            "List tables",
            "Lists the tables and views of a source with their comments.",
            json!({"source": source, "schema": {"type": "string", "description": "only this schema"}}),
            vec![],
            json!({"type": "object", "properties": {"tables": {"type": "array", "items": {"type": "object"}}}, "required": ["tables"]}),
        ),
        Builtin::DescribeTable => (
            "Describe table",
            "Describes a table: columns with types and comments, primary key, foreign keys.",
            json!({"source": source, "schema": {"type": "string", "description": "needed when the name is in several schemas"},
                   "table": {"type": "string"}}),
            vec!["table"],
            json!({"type": "object", "properties": {
                "schema": {"type": "string"}, "name": {"type": "string"}, "kind": {"type": "string"},
                "columns": {"type": "array", "items": {"type": "object", "properties": {
                    "name": {"type": "string"}, "database_type": {"type": "string"}, "nullable": {"type": "boolean"}}}},
                "primary_key": {"type": "array", "items": {"type": "string"}},
                "foreign_keys": {"type": "array", "items": {"type": "object"}}},
                "required": ["schema", "name", "columns", "primary_key", "foreign_keys"]}),
        ),
        Builtin::RunSql => (
            "Run SQL",
            "Runs one SQL statement that only reads, in the source's own dialect. Prefer a tool made for the question when there is one.",
            json!({"source": source, "sql": {"type": "string"},
                   "cursor": {"type": "string", "description": "next_cursor of the page before, to go on behind it"}}),
            vec!["sql"],
            Json::Object(RESULT_SCHEMA.clone()),
        ),
    };
    required.extend(needs);
    let mut input = object(json!({"type": "object", "properties": properties, "additionalProperties": false}));
    if !required.is_empty() {
        input.insert("required".to_owned(), json!(required));
    }
    let mut tool = Tool::new_with_raw(builtin.as_str(), Some(description.into()), input)
        .with_raw_output_schema(Arc::new(object(output)));
    tool.title = Some(title.to_owned());
    tool.annotations =
        Some(ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false));
    tool
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(object) => object,
        _ => Map::new(),
    }
}
