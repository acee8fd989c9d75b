//! Which queries tell what a source contains.

use sqlx::mysql::MySqlRow;
use tidegate_core::{
    Error, Result,
    catalog::{ForeignKey, Schema, Table, TableColumn, TableDetail, TableKind},
};

use super::{decode::text, lease::Lease};

const SCHEMAS: &str = "SELECT schema_name FROM information_schema.schemata \
    WHERE schema_name NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY schema_name";

const TABLES: &str = "SELECT table_name, table_type, table_comment, CAST(table_rows AS CHAR) \
    FROM information_schema.tables \
    WHERE table_schema = ? AND table_type <> 'SEQUENCE' ORDER BY table_name";

const TABLE: &str = "SELECT table_name, table_type, table_comment, CAST(table_rows AS CHAR) \
    FROM information_schema.tables WHERE table_schema = ? AND table_name = ?";

const COLUMNS: &str = "SELECT column_name, column_type, is_nullable, column_default, column_comment \
    FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";

const KEYS: &str = "SELECT constraint_name, column_name, referenced_table_schema, referenced_table_name, \
    referenced_column_name FROM information_schema.key_column_usage \
    WHERE table_schema = ? AND table_name = ? AND (constraint_name = 'PRIMARY' OR referenced_table_name IS NOT NULL) \
    ORDER BY constraint_name, ordinal_position";

pub(super) async fn schemas(lease: &mut Lease) -> Result<Vec<Schema>> {
    let rows = rows(lease, SCHEMAS, &[]).await?;
    Ok(rows.iter().map(|row| Schema { name: text(row, 0).unwrap_or_default(), comment: None }).collect())
}

pub(super) async fn tables(lease: &mut Lease, schema: &str) -> Result<Vec<Table>> {
    if !schemas(lease).await?.iter().any(|known| known.name == schema) {
        return Err(Error::not_found("schema", schema));
    }
    Ok(rows(lease, TABLES, &[schema]).await?.iter().map(table_of).collect())
}

pub(super) async fn table(lease: &mut Lease, schema: &str, table: &str) -> Result<TableDetail> {
    let found = rows(lease, TABLE, &[schema, table]).await?;
    let found =
        found.first().map(table_of).ok_or_else(|| Error::not_found("table", format_args!("{schema}.{table}")))?;
    let columns = rows(lease, COLUMNS, &[schema, table]).await?.iter().map(column_of).collect();
    let (primary_key, foreign_keys) = keys_of(&rows(lease, KEYS, &[schema, table]).await?);
    Ok(TableDetail { schema: schema.to_owned(), table: found, columns, primary_key, foreign_keys })
}

async fn rows(lease: &mut Lease, query: &'static str, names: &[&str]) -> Result<Vec<MySqlRow>> {
    let query = names.iter().fold(sqlx::query(query), |query, &name| query.bind(name));
    let rows = query.fetch_all(lease.connection()).await.map_err(|error| lease.fail(error))?;
    lease.settle();
    Ok(rows)
}

fn table_of(row: &MySqlRow) -> Table {
    let is_view = text(row, 1).is_some_and(|kind| kind.ends_with("VIEW"));
    Table {
        name: text(row, 0).unwrap_or_default(),
        kind: if is_view { TableKind::View } else { TableKind::Table },
        // The server puts `VIEW` where a view has no comment.
        comment: text(row, 2).filter(|comment| !comment.is_empty() && !is_view),
        row_estimate: text(row, 3).and_then(|rows| rows.parse().ok()),
    }
}

fn column_of(row: &MySqlRow) -> TableColumn {
    TableColumn {
        name: text(row, 0).unwrap_or_default(),
        database_type: text(row, 1).unwrap_or_default(),
        nullable: text(row, 2).is_some_and(|word| word == "YES"),
        // MariaDB writes the word where there is no other default.
        default: text(row, 3).filter(|default| default != "NULL"),
        comment: text(row, 4).filter(|comment| !comment.is_empty()),
    }
}

/// The primary key and the foreign keys, from rows that come key by key and column by column.
fn keys_of(rows: &[MySqlRow]) -> (Vec<String>, Vec<ForeignKey>) {
    let mut primary_key = Vec::new();
    let mut foreign_keys: Vec<(String, ForeignKey)> = Vec::new();
    for row in rows {
        let (constraint, column) = (text(row, 0).unwrap_or_default(), text(row, 1).unwrap_or_default());
        let Some(references_table) = text(row, 3) else {
            primary_key.push(column);
            continue;
        };
        let references_column = text(row, 4).unwrap_or_default();
        match foreign_keys.last_mut() {
            Some((last, key)) if *last == constraint => {
                key.columns.push(column);
                key.references_columns.push(references_column);
            }
            _ => foreign_keys.push((
                constraint,
                ForeignKey {
                    columns: vec![column],
                    references_schema: text(row, 2),
                    references_table,
                    references_columns: vec![references_column],
                },
            )),
        }
    }
    (primary_key, foreign_keys.into_iter().map(|(_, key)| key).collect())
}
