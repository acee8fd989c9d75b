//! How is a statement prepared, so that its placeholders have types and its columns can be read?

use sqlx::{
    AssertSqlSafe, Column as _, Either, Executor, SqlSafeStr, SqlStr, Statement as _,
    postgres::{PgStatement, PgTypeInfo, types::Oid},
};
use tidegate_core::{Result, parameter::ParameterType, result::Column};
use tidegate_statement::Bind;

use super::{
    connect::Session,
    error::{self, Undetermined},
    readable,
    types::{Kind, database_type},
};

/// A statement that is ready to run.
pub(super) struct Prepared {
    pub(super) statement: PgStatement,
    pub(super) columns: Vec<Column>,
    /// How each column is read.
    pub(super) kinds: Vec<Kind>,
}

impl Prepared {
    /// The types of the placeholders.
    pub(super) fn parameters(&self) -> &[PgTypeInfo] {
        parameters(&self.statement)
    }
}

/// The types of the placeholders of a statement.
pub(super) fn parameters(statement: &PgStatement) -> &[PgTypeInfo] {
    match statement.parameters() {
        Some(Either::Left(types)) => types,
        _ => &[],
    }
}

/// Prepares a statement. On a connection that has run it before this asks the server nothing.
pub(super) async fn prepare(session: &mut Session, text: &str, binds: &[Bind]) -> Result<Prepared> {
    let statement = match infer(session, AssertSqlSafe(text).into_sql_str(), binds).await {
        Ok(statement) => statement,
        Err(failure) if readable::is_unreadable(&failure) => {
            // The driver leaves the statement behind on the server, without a way to close it.
            session.spoil();
            let columns = readable::discover(session, text, binds).await?;
            return readable::cast(session, text, binds, columns).await;
        }
        Err(failure) => return Err(error::running(&failure, Some(text))),
    };
    let columns = statement.columns();
    let kinds: Option<Vec<_>> = columns.iter().map(|column| Kind::of(column.type_info())).collect();
    let Some(kinds) = kinds else {
        let columns = columns.iter().map(readable::Source::of).collect();
        return readable::cast(session, text, binds, columns).await;
    };
    let columns = columns
        .iter()
        .zip(&kinds)
        .map(|(column, kind)| Column {
            name: column.name().to_owned(),
            kind: kind.column_type(),
            database_type: Some(database_type(column.type_info())),
        })
        .collect();
    Ok(Prepared { statement, columns, kinds })
}

/// Lets the server infer the types of the placeholders, and declares those it cannot infer by their parameters' types.
///
/// Inferred types are better: they make `id = $1` use the index whatever integer `id` is, and a text fit an enum.
pub(super) async fn infer(session: &mut Session, text: SqlStr, binds: &[Bind]) -> Result<PgStatement, sqlx::Error> {
    let mut types = vec![UNSPECIFIED; binds.len()];
    let mut first_failure = None;
    loop {
        let failure = match session.connection.prepare_with(text.clone(), &types).await {
            Ok(statement) => return Ok(statement),
            Err(failure) => failure,
        };
        let declared = error::undetermined(&failure).is_some_and(|what| declare(what, &mut types, binds));
        // The server's first complaint is about the statement as it was written.
        let failure = first_failure.get_or_insert(failure);
        if !declared {
            return Err(std::mem::replace(failure, sqlx::Error::WorkerCrashed));
        }
        session.restart().await?;
    }
}

const UNSPECIFIED: PgTypeInfo = PgTypeInfo::with_oid(Oid(0));

fn is_unspecified(info: &PgTypeInfo) -> bool {
    info.oid() == Some(Oid(0))
}

/// Declares one more placeholder, or all of them. `false` when there is nothing left to declare.
fn declare(what: Undetermined, types: &mut [PgTypeInfo], binds: &[Bind]) -> bool {
    let one = match what {
        Undetermined::Placeholder(number) => {
            number.checked_sub(1).filter(|index| types.get(*index).is_some_and(is_unspecified))
        }
        Undetermined::Call => None,
    };
    let mut declared = false;
    for (index, (info, bind)) in types.iter_mut().zip(binds).enumerate() {
        if is_unspecified(info) && one.is_none_or(|one| one == index) {
            *info = PgTypeInfo::with_oid(declared_type(bind.kind));
            declared = true;
        }
    }
    declared
}

/// The type of PostgreSQL that holds every value of a parameter's type.
fn declared_type(kind: ParameterType) -> Oid {
    Oid(match kind {
        ParameterType::String | ParameterType::Enum | ParameterType::List => 25,
        ParameterType::Integer => 20,
        ParameterType::Number => 1700,
        ParameterType::Boolean => 16,
        ParameterType::Date => 1082,
        ParameterType::Time => 1083,
        ParameterType::Timestamp => 1184,
        ParameterType::Uuid => 2950,
        ParameterType::Json => 3802,
    })
}

#[cfg(test)]
mod tests {
    use tidegate_core::value::Value;

    use super::*;

    #[test]
    fn one_placeholder_is_declared_first_and_then_all() {
        let binds = [ParameterType::Integer, ParameterType::Uuid, ParameterType::String]
            .map(|kind| Bind { value: Value::Null, kind });
        let mut types = vec![UNSPECIFIED; 3];
        let oids = |types: &[PgTypeInfo]| types.iter().map(|info| info.oid().unwrap().0).collect::<Vec<_>>();
        assert!(declare(Undetermined::Placeholder(2), &mut types, &binds));
        assert_eq!(oids(&types), [0, 2950, 0]);
        assert!(declare(Undetermined::Call, &mut types, &binds));
        assert_eq!(oids(&types), [20, 2950, 25]);
        assert!(!declare(Undetermined::Placeholder(2), &mut types, &binds));
    }
}
