//! Which queries tell what a source contains?

use std::collections::HashMap;

use rusqlite::{Connection, Row, named_params};
use tidegate_core::{
    Error, Result,
    catalog::{ForeignKey, Schema, Table, TableColumn, TableDetail, TableKind},
};

use super::connect::Session;

/// The one schema of a file; others would be attached files.
pub(super) const SCHEMA: &str = "main";

/// Tables and views. The engine's own tables and those behind virtual tables are left out.
const TABLES: &str = "SELECT name, type FROM pragma_table_list \
    WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') AND lower(substr(name, 1, 7)) <> 'sqlite_'";

/// The number of rows that ANALYZE found stands first in the statistics of each index.
const ESTIMATES: &str = "SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl";

const HAS_ESTIMATES: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1')";

/// Hidden columns of virtual tables have `hidden` 1; generated columns have 2 or 3 and belong to the table.
const COLUMNS: &str = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(:table) \
    WHERE hidden <> 1 ORDER BY cid";

/// SQLite lists the newest key first. A key that names no columns points to the primary key.
const FOREIGN_KEYS: &str = "SELECT f.id, f.\"table\", f.\"from\", \
        coalesce(f.\"to\", (SELECT p.name FROM pragma_table_info(f.\"table\") AS p WHERE p.pk = f.seq + 1)) \
    FROM pragma_foreign_key_list(:table) AS f ORDER BY f.id DESC, f.seq";

pub(super) fn schemas() -> Vec<Schema> {
    vec![Schema { name: SCHEMA.into(), comment: None }]
}

pub(super) fn tables(session: &Session, schema: &str) -> Result<Vec<Table>> {
    if schema != SCHEMA {
        return Err(Error::not_found("schema", schema));
    }
    session.own(list_tables)
}

pub(super) fn table(session: &Session, schema: &str, name: &str) -> Result<TableDetail> {
    let mut tables = tables(session, schema)?.into_iter();
    // SQLite does not tell names apart by case.
    let table =
        tables.find(|table| table.name.eq_ignore_ascii_case(name)).ok_or_else(|| Error::not_found("table", name))?;
    session.own(|connection| describe(connection, table))
}

fn list_tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let estimates: HashMap<String, i64> = if connection.query_row(HAS_ESTIMATES, [], |row| row.get(0))? {
        let mut statement = connection.prepare(ESTIMATES)?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?
    } else {
        HashMap::new()
    };
    let mut statement = connection.prepare(TABLES)?;
    let mut tables = statement
        .query_map([], |row| {
            let name: String = row.get(0)?;
            let kind = if row.get::<_, String>(1)? == "view" { TableKind::View } else { TableKind::Table };
            let row_estimate = estimates.get(&name).and_then(|&rows| u64::try_from(rows).ok());
            Ok(Table { name, kind, comment: None, row_estimate })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

fn describe(connection: &Connection, table: Table) -> rusqlite::Result<TableDetail> {
    let mut statement = connection.prepare(COLUMNS)?;
    let mut columns = statement
        .query_map(named_params! {":table": table.name}, column)?
        .collect::<rusqlite::Result<Vec<(i64, TableColumn)>>>()?;

    let mut key: Vec<(i64, String)> =
        columns.iter().filter(|(place, _)| *place > 0).map(|(place, column)| (*place, column.name.clone())).collect();
    key.sort();
    // Only a key of one INTEGER column is the row's own number; other keys may hold NULL, unless they say otherwise.
    if let [(_, only)] = key.as_slice() {
        for (_, column) in &mut columns {
            if column.name == *only && column.database_type.eq_ignore_ascii_case("INTEGER") {
                column.nullable = false;
            }
        }
    }
    Ok(TableDetail {
        schema: SCHEMA.into(),
        foreign_keys: foreign_keys(connection, &table.name)?,
        table,
        columns: columns.into_iter().map(|(_, column)| column).collect(),
        primary_key: key.into_iter().map(|(_, name)| name).collect(),
    })
}

/// A column and its place in the primary key, from 1; 0 when it is not part of it.
fn column(row: &Row<'_>) -> rusqlite::Result<(i64, TableColumn)> {
    let column = TableColumn {
        name: row.get(0)?,
        database_type: row.get(1)?,
        nullable: !row.get::<_, bool>(2)?,
        default: row.get(3)?,
        comment: None,
    };
    Ok((row.get(4)?, column))
}

fn foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare(FOREIGN_KEYS)?;
    let mut rows = statement.query(named_params! {":table": table})?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, from, to) = (row.get(0)?, row.get(2)?, row.get::<_, Option<String>>(3)?);
        match keys.last_mut() {
            Some((last, key)) if *last == id => {
                key.columns.push(from);
                key.references_columns.extend(to);
            }
            _ => keys.push((
                id,
                ForeignKey {
                    columns: vec![from],
                    references_schema: Some(SCHEMA.into()),
                    references_table: row.get(1)?,
                    references_columns: to.into_iter().collect(),
                },
            )),
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}
