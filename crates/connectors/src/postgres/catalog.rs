//! Which queries tell what a source contains?
//!
//! What the login may not use is left out, as are PostgreSQL's own schemas and the partitions of partitioned tables.

use sqlx::{Row, postgres::PgRow};
use tidegate_core::{
    Error, Result,
    catalog::{ForeignKey, Schema, Table, TableColumn, TableDetail, TableKind},
};

use super::{connect::Session, error};

const SCHEMAS: &str = "\
SELECT nspname::text, obj_description(oid, 'pg_namespace')
FROM pg_catalog.pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'USAGE')
ORDER BY nspname";

/// One row for each table; a single row without one tells that the schema is there and empty.
const TABLES: &str = "\
SELECT c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class'),
       CASE WHEN c.relkind IN ('r', 'p', 'm', 'f') AND c.reltuples >= 0 THEN c.reltuples::bigint END
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_class c
  ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
 AND has_any_column_privilege(c.oid, 'SELECT')
WHERE n.nspname = $1 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND has_schema_privilege(n.oid, 'USAGE')
ORDER BY c.relname";

/// The same for one table, partitions included, and its identifier.
const TABLE: &str = "\
SELECT c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class'),
       CASE WHEN c.relkind IN ('r', 'p', 'm', 'f') AND c.reltuples >= 0 THEN c.reltuples::bigint END,
       c.oid::bigint
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
WHERE n.nspname = $1 AND c.relname = $2 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')";

const COLUMNS: &str = "\
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// The primary key and the foreign keys, each with its columns in the order of the key.
const KEYS: &str = "\
SELECT k.contype::text,
       ARRAY(SELECT a.attname::text
             FROM unnest(k.conkey) WITH ORDINALITY AS c(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number
             ORDER BY c.place),
       n.nspname::text, t.relname::text,
       ARRAY(SELECT a.attname::text
             FROM unnest(k.confkey) WITH ORDINALITY AS c(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number
             ORDER BY c.place)
FROM pg_catalog.pg_constraint k
LEFT JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE k.conrelid = $1::oid AND k.contype IN ('p', 'f')
ORDER BY k.conname";

pub(super) async fn schemas(session: &mut Session) -> Result<Vec<Schema>> {
    let rows = sqlx::query(SCHEMAS).fetch_all(&mut session.connection).await.map_err(failed)?;
    rows.iter()
        .map(|row| Ok(Schema { name: row.try_get(0)?, comment: row.try_get(1)? }))
        .collect::<Result<_, _>>()
        .map_err(failed)
}

pub(super) async fn tables(session: &mut Session, schema: &str) -> Result<Vec<Table>> {
    let rows = sqlx::query(TABLES).bind(schema).fetch_all(&mut session.connection).await.map_err(failed)?;
    if rows.is_empty() {
        return Err(Error::not_found("schema", schema));
    }
    rows.iter().filter_map(|row| table_of(row).transpose()).collect::<Result<_, _>>().map_err(failed)
}

pub(super) async fn table(session: &mut Session, schema: &str, name: &str) -> Result<TableDetail> {
    let row =
        sqlx::query(TABLE).bind(schema).bind(name).fetch_optional(&mut session.connection).await.map_err(failed)?;
    let no_such_table = || Error::not_found("table", format!("{schema}.{name}"));
    let row = row.ok_or_else(no_such_table)?;
    let table = table_of(&row).map_err(failed)?.ok_or_else(no_such_table)?;
    let id: i64 = row.try_get(4).map_err(failed)?;

    let columns = sqlx::query(COLUMNS).bind(id).fetch_all(&mut session.connection).await.map_err(failed)?;
    let columns = columns.iter().map(column_of).collect::<Result<_, _>>().map_err(failed)?;
    let mut primary_key = Vec::new();
    let mut foreign_keys = Vec::new();
    for row in sqlx::query(KEYS).bind(id).fetch_all(&mut session.connection).await.map_err(failed)? {
        if row.try_get::<&str, _>(0).map_err(failed)? == "p" {
            primary_key = row.try_get(1).map_err(failed)?;
        } else {
            foreign_keys.push(foreign_key_of(&row).map_err(failed)?);
        }
    }
    Ok(TableDetail { schema: schema.to_owned(), table, columns, primary_key, foreign_keys })
}

fn failed(failure: sqlx::Error) -> Error {
    error::running(&failure, None)
}

/// `None` for the row that stands for an empty schema.
fn table_of(row: &PgRow) -> Result<Option<Table>, sqlx::Error> {
    let Some(name) = row.try_get(0)? else { return Ok(None) };
    let kind = match row.try_get(1)? {
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        _ => TableKind::Table,
    };
    let row_estimate: Option<i64> = row.try_get(3)?;
    let row_estimate = row_estimate.and_then(|rows| u64::try_from(rows).ok());
    Ok(Some(Table { name, kind, comment: row.try_get(2)?, row_estimate }))
}

fn column_of(row: &PgRow) -> Result<TableColumn, sqlx::Error> {
    Ok(TableColumn {
        name: row.try_get(0)?,
        database_type: row.try_get(1)?,
        nullable: row.try_get(2)?,
        default: row.try_get(3)?,
        comment: row.try_get(4)?,
    })
}

fn foreign_key_of(row: &PgRow) -> Result<ForeignKey, sqlx::Error> {
    Ok(ForeignKey {
        columns: row.try_get(1)?,
        references_schema: row.try_get(2)?,
        references_table: row.try_get(3)?,
        references_columns: row.try_get(4)?,
    })
}
