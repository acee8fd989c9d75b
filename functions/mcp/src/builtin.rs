//! What the built-in tools do.

use std::{fmt::Write, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    catalog::{Table, TableDetail, TableKind},
    policy::{permit_catalog, permit_raw},
    principal::Principal,
    server::{Builtin, Server},
    source::Source,
};
use tidegate_engine::{Answer, Engine, RunRequest, encode::Tool};
use tidegate_http::json;

/// What a built-in tool gives back: structured content as JSON text, and the text block.
pub(crate) struct Outcome {
    pub(crate) structured: Vec<u8>,
    pub(crate) text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListTables {
    source: Option<Name>,
    schema: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribeTable {
    source: Option<Name>,
    schema: Option<String>,
    table: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunSql {
    source: Option<Name>,
    sql: String,
    cursor: Option<String>,
}

/// One call of a built-in tool.
pub(crate) struct Call<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) principal: &'a Arc<Principal>,
    pub(crate) server: &'a Server,
    pub(crate) request: RunRequest,
}

impl Call<'_> {
    pub(crate) async fn run(self, builtin: Builtin) -> Result<Outcome> {
        match builtin {
            Builtin::ListTables => self.list_tables().await,
            Builtin::DescribeTable => self.describe_table().await,
            Builtin::RunSql => self.run_sql().await,
        }
    }

    async fn list_tables(self) -> Result<Outcome> {
        #[derive(Serialize)]
        struct Entry {
            schema: String,
            #[serde(flatten)]
            table: Table,
        }
        let ListTables { source, schema } = arguments(&self.request.arguments)?;
        let source = self.source(source).await?;
        let permit = permit_catalog(self.principal, &source, Some((self.server, Builtin::ListTables)))?;
        let deadline = self.engine.catalog_deadline(&permit, &self.request.limits);
        let schemas = match schema {
            Some(schema) => vec![schema],
            None => self.engine.schemas(&permit, deadline).await?.into_iter().map(|schema| schema.name).collect(),
        };
        let mut tables = Vec::new();
        let mut text = String::new();
        for schema in schemas {
            for table in self.engine.tables(&permit, &schema, deadline).await? {
                let kind = if table.kind == TableKind::Table { "" } else { " (view)" };
                let _ = write!(text, "{schema}.{}{kind}", table.name);
                if let Some(comment) = &table.comment {
                    let _ = write!(text, ": {comment}");
                }
                text.push('\n');
                tables.push(Entry { schema: schema.clone(), table });
            }
        }
        if text.is_empty() {
            text.push_str("(no tables)");
        }
        outcome(&serde_json::json!({"tables": tables}), text)
    }

    async fn describe_table(self) -> Result<Outcome> {
        let DescribeTable { source, schema, table } = arguments(&self.request.arguments)?;
        let source = self.source(source).await?;
        let permit = permit_catalog(self.principal, &source, Some((self.server, Builtin::DescribeTable)))?;
        let deadline = self.engine.catalog_deadline(&permit, &self.request.limits);
        // Models write `schema.table` as they see it in the list.
        let (schema, table) = match (schema, table.split_once('.')) {
            (None, Some((schema, table))) => (Some(schema.to_owned()), table.to_owned()),
            (schema, _) => (schema, table),
        };
        let schema = match schema {
            Some(schema) => schema,
            None => {
                let mut holding = Vec::new();
                for schema in self.engine.schemas(&permit, deadline).await? {
                    if self
                        .engine
                        .tables(&permit, &schema.name, deadline)
                        .await?
                        .iter()
                        .any(|known| known.name == table)
                    {
                        holding.push(schema.name);
                    }
                }
                match <[String; 1]>::try_from(holding) {
                    Ok([schema]) => schema,
                    Err(holding) if holding.is_empty() => return Err(Error::not_found("table", &table)),
                    Err(holding) => {
                        return Err(Error::invalid_argument(
                            "schema",
                            format!("the table `{table}` is in {}; say which with `schema`", holding.join(", ")),
                        ));
                    }
                }
            }
        };
        let detail = self.engine.table(&permit, &schema, &table, deadline).await?;
        let text = describe(&detail);
        outcome(&detail, text)
    }

    async fn run_sql(self) -> Result<Outcome> {
        let RunSql { source, sql, cursor } = arguments(&self.request.arguments)?;
        let source = self.source(source).await?;
        let permit = permit_raw(self.principal, &source, Some(self.server))?;
        let request = RunRequest { cursor, arguments: Map::new(), ..self.request };
        let Answer { encoder, body, .. } = self.engine.run_raw(&permit, &sql, request, Tool::default()).await?;
        Ok(Outcome { structured: body, text: encoder.into_text() })
    }

    /// The named source, or the only one.
    async fn source(&self, name: Option<Name>) -> Result<Arc<Source>> {
        let sources = self.engine.sources_of(self.server).await?;
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        let known = known.join(", ");
        match (name, sources.as_slice()) {
            (None, [only]) => Ok(Arc::clone(only)),
            (None, _) => Err(Error::invalid_argument("source", format!("say which source: {known}"))),
            (Some(name), sources) => sources.iter().find(|source| source.name == name).cloned().ok_or_else(|| {
                Error::invalid_argument("source", format!("there is no source `{name}` here; there is {known}"))
            }),
        }
    }
}

fn arguments<T: serde::de::DeserializeOwned>(given: &Map<String, Json>) -> Result<T> {
    let text = serde_json::to_vec(given).map_err(Error::internal)?;
    json::parse(&text).map_err(|error| {
        // The place is one in a text that the caller never saw; the field is what helps.
        let faults = error.faults().iter().cloned().map(|fault| tidegate_core::error::Fault {
            line: None,
            column: None,
            ..fault
        });
        Error::new(ErrorCode::InvalidArgument, error.message()).with_faults(faults.collect())
    })
}

fn outcome(structured: &impl Serialize, text: String) -> Result<Outcome> {
    Ok(Outcome { structured: serde_json::to_vec(structured).map_err(Error::internal)?, text })
}

/// A table in a few short lines.
fn describe(detail: &TableDetail) -> String {
    let mut text = format!("{}.{}\n", detail.schema, detail.table.name);
    if let Some(comment) = &detail.table.comment {
        let _ = writeln!(text, "{comment}");
    }
    for column in &detail.columns {
        let _ = write!(text, "{} {}", column.name, column.database_type);
        if !column.nullable {
            text.push_str(" not null");
        }
        if let Some(comment) = &column.comment {
            let _ = write!(text, " -- {comment}");
        }
        text.push('\n');
    }
    if !detail.primary_key.is_empty() {
        let _ = writeln!(text, "primary key ({})", detail.primary_key.join(", "));
    }
    for key in &detail.foreign_keys {
        let _ = writeln!(
            text,
            "foreign key ({}) references {} ({})",
            key.columns.join(", "),
            key.references_table,
            key.references_columns.join(", ")
        );
    }
    text
}
