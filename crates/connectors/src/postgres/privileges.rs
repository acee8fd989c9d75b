//! What may the login do beyond reading?

use sqlx::{Row, postgres::PgRow};
use tidegate_core::Result;

use super::{connect::Session, error};

/// The attributes of the role, and the memberships that lead out of the database (PostgreSQL manual, "Predefined Roles").
const ROLE: &str = "\
SELECT quote_ident(current_user),
       r.rolsuper, r.rolcreaterole, r.rolreplication, r.rolbypassrls,
       ARRAY(SELECT p.rolname::text FROM pg_catalog.pg_roles p
             WHERE p.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files',
                                 'pg_write_all_data', 'pg_signal_backend')
               AND pg_has_role(current_user, p.oid, 'MEMBER') ORDER BY p.rolname)
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// The schemas that hold tables the login may change, with one of them.
const TABLES: &str = "\
SELECT quote_ident(n.nspname), min(quote_ident(c.relname)), count(*)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND has_schema_privilege(n.oid, 'USAGE')
  AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
GROUP BY n.nspname ORDER BY n.nspname";

/// The schemas that the login may make objects in.
const SCHEMAS: &str = "\
SELECT quote_ident(nspname) FROM pg_catalog.pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'CREATE') ORDER BY nspname";

/// A sentence for each thing, with the statement that takes it away.
pub(super) async fn warnings(session: &mut Session) -> Result<Vec<String>> {
    let role = sqlx::query(ROLE).fetch_one(&mut session.connection).await.map_err(failed)?;
    let mut warnings = of_role(&role).map_err(failed)?;
    if role.try_get(1).map_err(failed)? {
        // A superuser may do all the rest too, and nothing of it can be taken away.
        return Ok(warnings);
    }
    let login: String = role.try_get(0).map_err(failed)?;
    for row in sqlx::query(TABLES).fetch_all(&mut session.connection).await.map_err(failed)? {
        let (schema, table, count) = in_schema(&row).map_err(failed)?;
        let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        warnings.push(format!(
            "the login may change rows, in {schema}.{table}{others}: \
             REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA {schema} FROM {login}"
        ));
    }
    for row in sqlx::query(SCHEMAS).fetch_all(&mut session.connection).await.map_err(failed)? {
        let schema: String = row.try_get(0).map_err(failed)?;
        warnings.push(format!(
            "the login may make objects in the schema {schema}: REVOKE CREATE ON SCHEMA {schema} FROM {login}, PUBLIC"
        ));
    }
    Ok(warnings)
}

fn of_role(row: &PgRow) -> sqlx::Result<Vec<String>> {
    let login: String = row.try_get(0)?;
    let mut warnings = Vec::new();
    let attributes = [
        (1, "is a superuser: no read-only transaction keeps it from files and programs", "NOSUPERUSER"),
        (2, "may make and change roles", "NOCREATEROLE"),
        (3, "may replicate, and so read everything", "NOREPLICATION"),
        (4, "is not bound by row security", "NOBYPASSRLS"),
    ];
    for (index, what, without) in attributes {
        if row.try_get(index)? {
            warnings.push(format!("the login {what}: ALTER ROLE {login} {without}"));
        }
    }
    if !row.try_get::<bool, _>(1)? {
        for role in row.try_get::<Vec<String>, _>(5)? {
            warnings.push(format!("the login is a member of {role}: REVOKE {role} FROM {login}"));
        }
    }
    Ok(warnings)
}

fn in_schema(row: &PgRow) -> sqlx::Result<(String, String, i64)> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

fn failed(failure: sqlx::Error) -> tidegate_core::Error {
    error::running(&failure, None)
}
