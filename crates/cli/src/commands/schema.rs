//! `tidegate schema`: the JSON Schema (2020-12) of the files, from the types that read them, and the OpenAPI document.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value as Json, json};
use tidegate_core::{query::QuerySpec, server::ServerSpec, source::SourceSpec};
use tidegate_http::openapi;
use tidegate_platform::Environment;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{failure::Failure, terminal};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What is printed.
#[derive(Args, Debug)]
pub(crate) struct SchemaArguments {
    /// Of what
    #[arg(value_enum, default_value_t)]
    document: Document,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Document {
    /// The JSON Schema of files of sources, queries and servers
    #[default]
    Declaration,
    /// The JSON Schema of environment files
    Environment,
    /// The OpenAPI document of the API
    Openapi,
}

pub(super) fn run(arguments: &SchemaArguments) -> Result<(), Failure> {
    let text = match arguments.document {
        Document::Declaration => declaration().and_then(written),
        Document::Environment => environment().and_then(written),
        Document::Openapi => Ok(openapi::PUBLISHED.to_owned()),
    };
    let text = text.map_err(|error| Failure::message(format!("the schema cannot be written: {error}")))?;
    terminal::print(&text)?;
    Ok(())
}

fn written(schema: Json) -> Result<String, serde_json::Error> {
    Ok(format!("{schema:#}\n"))
}

fn declaration() -> Result<Json, serde_json::Error> {
    let mut definitions = BTreeMap::new();
    collect::<SourceSpec>(&mut definitions);
    collect::<QuerySpec>(&mut definitions);
    collect::<ServerSpec>(&mut definitions);
    let definitions = plain(definitions)?;
    let list = |what: &str, name: &str| json!({ "description": what, "type": ["array", "null"], "items": { "$ref": format!("#/$defs/{name}") } });
    Ok(json!({
        "$schema": DIALECT,
        "title": "Tidegate",
        "description": "Sources, queries and servers that `tidegate apply` registers.",
        "type": "object",
        "properties": {
            "sources": list("The databases.", &SourceSpec::name()),
            "queries": list("The statement templates.", &QuerySpec::name()),
            "servers": list("The MCP servers.", &ServerSpec::name()),
        },
        "additionalProperties": false,
        "$defs": definitions,
    }))
}

fn environment() -> Result<Json, serde_json::Error> {
    let mut definitions = BTreeMap::new();
    collect::<Environment>(&mut definitions);
    Ok(json!({
        "$schema": DIALECT,
        "title": "Tidegate environment",
        "$ref": format!("#/$defs/{}", Environment::name()),
        "$defs": plain(definitions)?,
    }))
}

/// The definitions as JSON Schema has them.
fn plain(definitions: BTreeMap<String, RefOr<Schema>>) -> Result<Json, serde_json::Error> {
    let mut definitions = serde_json::to_value(definitions)?;
    rewrite(&mut definitions);
    Ok(definitions)
}

fn collect<T: ToSchema + PartialSchema>(definitions: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut needed = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut needed);
    definitions.extend(needed);
}

/// From OpenAPI's habits to plain JSON Schema: where references point, and `example`.
fn rewrite(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(rewrite),
        Json::Object(fields) => {
            if let Some(Json::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace("#/components/schemas/", "#/$defs/");
            }
            if let Some(example) = fields.get("example").filter(|_| is_schema(fields)).cloned() {
                fields.remove("example");
                fields.insert("examples".to_owned(), json!([example]));
            }
            fields.values_mut().for_each(rewrite);
        }
        _ => {}
    }
}

/// Tells a schema from the properties of one, which may have a property named `example`.
fn is_schema(fields: &Map<String, Json>) -> bool {
    fields.get("type").is_some_and(|kind| kind.is_string() || kind.is_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_the_one_that_was_agreed() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&declaration().unwrap()).unwrap());
    }

    #[test]
    fn editors_are_given_the_schema_of_environments() {
        let hint = "`tidegate schema environment > config/environment.schema.json` writes it";
        let published = include_str!("../../../../config/environment.schema.json");
        assert!(published == written(environment().unwrap()).unwrap(), "{hint}");
    }

    #[test]
    fn every_reference_points_to_a_definition() {
        fn references(value: &Json, found: &mut Vec<String>) {
            match value {
                Json::Array(items) => items.iter().for_each(|item| references(item, found)),
                Json::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Json::as_str).map(str::to_owned));
                    fields.values().for_each(|value| references(value, found));
                }
                _ => {}
            }
        }
        for schema in [declaration().unwrap(), environment().unwrap()] {
            let mut found = Vec::new();
            references(&schema, &mut found);
            assert!(found.len() > 10);
            for reference in found {
                let name = reference.strip_prefix("#/$defs/").expect("a reference into $defs");
                assert!(schema["$defs"].get(name).is_some(), "{reference}");
            }
        }
    }
}
