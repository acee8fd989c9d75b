//! How is a column read whose type has no decoder?
//!
//! The server renders it: the statement becomes a subquery of one that casts such columns, `::text` for a single value
//! and `to_json()` for arrays and records. This is how multiranges, `regclass`, `aclitem`, `pg_node_tree` and whatever
//! an extension adds come back as text. What cannot be a subquery, such as `INSERT … RETURNING`, fails with the advice
//! to cast the column.
//!
//! The driver cannot even describe some of these types (multiranges among them). Then the server is asked for the names
//! and types of the columns by an outer join that never runs the statement. It does not tell the fields of composite
//! types, so that beside such a column composites come as `to_json()` writes them, with decimals as numbers.

use std::fmt::Write;

use sqlx::{
    AssertSqlSafe, Column as _, Row, SqlSafeStr, Statement as _,
    postgres::{PgColumn, PgRow, types::Oid},
};
use tidegate_core::{Error, ErrorCode, Result, result::Column};
use tidegate_statement::Bind;

use super::{
    bind,
    connect::Session,
    error,
    prepare::{Prepared, infer},
    types::{Kind, database_type, is_nested},
};

/// A column as the statement gives it.
pub(super) struct Source {
    name: String,
    database_type: String,
    /// How it is read, when there is a decoder.
    kind: Option<Kind>,
    /// Whether its values consist of others.
    is_nested: bool,
}

impl Source {
    pub(super) fn of(column: &PgColumn) -> Self {
        let info = column.type_info();
        Self {
            name: column.name().to_owned(),
            database_type: database_type(info),
            kind: Kind::of(info),
            is_nested: is_nested(info),
        }
    }
}

/// Whether the driver failed to describe a type, rather than the server to prepare the statement.
pub(super) fn is_unreadable(failure: &sqlx::Error) -> bool {
    match failure {
        // Its own query of the catalog gave a kind of type that it does not know.
        sqlx::Error::ColumnDecode { .. } => true,
        sqlx::Error::Protocol(message) => message.starts_with("unable to resolve type"),
        _ => false,
    }
}

/// Asks the server for the columns of a statement that the driver cannot describe.
pub(super) async fn discover(session: &mut Session, text: &str, binds: &[Bind]) -> Result<Vec<Source>> {
    let names = format!(
        "SELECT json_object_keys(row_to_json(r)) \
         FROM (SELECT x.* FROM (SELECT) AS one LEFT JOIN (\n{text}\n) AS x ON false) AS r"
    );
    let names =
        ask(session, names, binds).await.map_err(|failure| unreadable("a column of the statement", &failure))?;

    let types = format!(
        "SELECT format_type(b.oid, NULL), b.oid, b.typelem, b.typcategory = 'A', b.typtype = 'c' OR b.typname IN ('record', '_record') \
         FROM (SELECT) AS one LEFT JOIN (\n{text}\n) AS x({}) ON false, \
         unnest(ARRAY[{}]) WITH ORDINALITY AS types(t, n) \
         JOIN pg_catalog.pg_type d ON d.oid = t \
         JOIN pg_catalog.pg_type b ON b.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END \
         ORDER BY n",
        list(names.len(), |out, number| write!(out, "c{number}")),
        list(names.len(), |out, number| write!(out, "pg_typeof(c{number})")),
    );
    let types = ask(session, types, binds).await.map_err(|failure| error::running(&failure, None))?;
    names.iter().zip(&types).map(|(name, row)| source(name, row)).collect::<Result<_, _>>().map_err(Error::internal)
}

fn source(name: &PgRow, row: &PgRow) -> Result<Source, sqlx::Error> {
    let (base, element): (Oid, Oid) = (row.try_get(1)?, row.try_get(2)?);
    let (is_array, is_record): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
    let array =
        || is_array.then(|| Kind::of_builtin(element.0)).flatten().map(|element| Kind::Array(Box::new(element)));
    let database_type: String = row.try_get(0)?;
    Ok(Source {
        name: name.try_get(0)?,
        kind: Kind::of_builtin(base.0).or_else(array).or_else(|| Kind::of_extension(&database_type)),
        database_type,
        is_nested: is_array || is_record,
    })
}

/// Runs a question about a statement, with NULL for its placeholders, since it never runs itself.
async fn ask(session: &mut Session, text: String, binds: &[Bind]) -> Result<Vec<PgRow>, sqlx::Error> {
    let question = infer(session, AssertSqlSafe(text).into_sql_str(), binds).await?;
    question.query_with(bind::nulls(binds.len())?).fetch_all(&mut session.connection).await
}

/// Prepares the statement inside one that casts what has no decoder.
pub(super) async fn cast(session: &mut Session, text: &str, binds: &[Bind], columns: Vec<Source>) -> Result<Prepared> {
    let cast = format!(
        "SELECT {} FROM (\n{text}\n) AS x({})",
        list(columns.len(), |out, number| match number.checked_sub(1).and_then(|index| columns.get(index)) {
            Some(Source { kind: None, is_nested: true, .. }) => write!(out, "to_json(c{number})"),
            Some(Source { kind: None, is_nested: false, .. }) => write!(out, "c{number}::text"),
            _ => write!(out, "c{number}"),
        }),
        list(columns.len(), |out, number| write!(out, "c{number}")),
    );
    let statement = infer(session, AssertSqlSafe(cast).into_sql_str(), binds).await.map_err(|failure| {
        let column = columns.iter().find(|column| column.kind.is_none());
        let which = column.map_or_else(
            || "a column of the statement".to_owned(),
            |column| format!("column `{}` of type {}", column.name, column.database_type),
        );
        unreadable(&which, &failure)
    })?;
    let (columns, kinds) = columns
        .into_iter()
        .map(|source| {
            let rendered = if source.is_nested { Kind::Json } else { Kind::Text };
            let kind = source.kind.unwrap_or(rendered);
            let column =
                Column { name: source.name, kind: kind.column_type(), database_type: Some(source.database_type) };
            (column, kind)
        })
        .unzip();
    Ok(Prepared { statement, columns, kinds })
}

/// An error that says what to change in the statement.
fn unreadable(which: &str, failure: &sqlx::Error) -> Error {
    Error::new(ErrorCode::DatabaseError, format!("{which} cannot be read; cast it to text in the statement"))
        .with_context(failure)
}

/// Items numbered from 1, with commas between them.
fn list(count: usize, item: impl Fn(&mut String, usize) -> std::fmt::Result) -> String {
    let mut out = String::new();
    for number in 1..=count {
        if number > 1 {
            out.push_str(", ");
        }
        // Writing to a string cannot fail.
        let _ = item(&mut out, number);
    }
    out
}
