//! May a reading statement call the functions that it names?
//!
//! The guard knows the functions that MySQL and MariaDB have built in. Of all others the server is asked. One that is
//! declared to change data is refused with its name; of any other the read-only transaction makes sure that it changes no
//! table. What is no stored function is a function of a loaded library, of which nothing can be told: no ordinary login
//! sees the list of those.

use std::{collections::HashSet, iter, sync::Arc};

use sqlx::{AssertSqlSafe, Row};
use tidegate_core::{Error, ErrorCode, Result};
use tidegate_statement::Calls;

use super::{decode, lease::Lease};
use crate::harmless::HarmlessCalls;

/// What the server has said of functions.
pub(super) struct Functions {
    harmless: HarmlessCalls,
}

impl Functions {
    pub(super) fn new() -> Self {
        Self { harmless: HarmlessCalls::new() }
    }

    /// Fails with `StatementNotAllowed` when one of the functions may do more than read.
    pub(super) async fn require_harmless(&self, lease: &mut Lease, calls: &Arc<Calls>) -> Result<()> {
        if calls.is_empty() || self.harmless.contains(calls) {
            return Ok(());
        }
        let stored = stored(lease, calls).await?;
        if let Some(function) = stored.iter().find(|function| function.changes_data) {
            return Err(refused(format_args!(
                "the function `{}` is declared MODIFIES SQL DATA; if it only reads, declare it READS SQL DATA in the database",
                function.name
            )));
        }
        let known: HashSet<String> = stored.iter().map(|function| function.name.to_lowercase()).collect();
        if let Some(unknown) = calls.functions.iter().find(|name| !known.contains(*name)) {
            return Err(refused(format_args!(
                "the function `{unknown}` is neither built in nor a stored function that the login may execute; a function \
                 of a loaded library can be called through a stored function"
            )));
        }
        self.harmless.insert(calls);
        Ok(())
    }
}

fn refused(why: std::fmt::Arguments<'_>) -> Error {
    Error::new(ErrorCode::StatementNotAllowed, format!("only reading is allowed here, and {why}"))
}

struct Stored {
    name: String,
    changes_data: bool,
}

/// The stored functions of these names. One that has the name of a built-in function is called only from its own database.
async fn stored(lease: &mut Lease, calls: &Calls) -> Result<Vec<Stored>> {
    // NULL is equal to nothing, and makes a list of no names a list.
    let list = |names: &[String]| iter::once("NULL").chain(names.iter().map(|_| "?")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "SELECT routine_name, sql_data_access = 'MODIFIES SQL DATA' FROM information_schema.routines \
         WHERE routine_type = 'FUNCTION' \
         AND (routine_name IN ({}) OR routine_schema = DATABASE() AND routine_name IN ({}))",
        list(&calls.functions),
        list(&calls.built_in),
    );
    // Kept for no other call: there are as many texts as numbers of names.
    let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
    let query = calls.functions.iter().chain(&calls.built_in).fold(query, |query, name| query.bind(name));
    let rows = query.fetch_all(lease.connection()).await.map_err(|error| lease.fail(error))?;
    lease.settle();
    rows.iter()
        .map(|row| {
            Ok(Stored {
                name: decode::text(row, 0).unwrap_or_default(),
                changes_data: row.try_get_unchecked(1).map_err(Error::internal)?,
            })
        })
        .collect()
}
