//! May a reading statement call the functions that it names?
//!
//! The guard knows the functions of PostgreSQL's own catalog. Of all others the server is asked: one that is declared
//! `VOLATILE` may do anything, and a read-only transaction keeps it from changing tables, but not from ending sessions,
//! taking locks or reaching outside.

use std::sync::Arc;

use sqlx::Row;
use tidegate_core::{Error, ErrorCode, Result};
use tidegate_statement::Calls;

use super::{connect::Session, error};
use crate::harmless::HarmlessCalls;

/// The first function of these names that is volatile and not the engine's own. An aggregate is as volatile as what it
/// is made of.
const VOLATILE: &str = "\
    SELECT pg_catalog.format('%I.%I', n.nspname, p.proname) \
    FROM pg_catalog.pg_proc p \
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
    LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid \
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND (p.proname = ANY ($1::text[]::name[]) \
         OR p.proname = ANY ($2::text[]::name[]) AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1) \
    AND (p.provolatile = 'v' \
         OR EXISTS (SELECT FROM pg_catalog.pg_proc f \
                    WHERE f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn) AND f.provolatile = 'v')) \
    ORDER BY 1 LIMIT 1";

/// What the server has said of functions.
pub(super) struct Functions {
    harmless: HarmlessCalls,
}

impl Functions {
    pub(super) fn new() -> Self {
        Self { harmless: HarmlessCalls::new() }
    }

    /// Fails with `StatementNotAllowed` when one of the functions may do more than read.
    pub(super) async fn require_harmless(&self, session: &mut Session, calls: &Arc<Calls>) -> Result<()> {
        if calls.is_empty() || self.harmless.contains(calls) {
            return Ok(());
        }
        let volatile = sqlx::query(VOLATILE)
            .bind(&calls.functions)
            .bind(&calls.attributes)
            .fetch_optional(&mut session.connection)
            .await
            .map_err(|failure| error::running(&failure, None))?;
        let Some(row) = volatile else {
            self.harmless.insert(calls);
            return Ok(());
        };
        let name: String = row.try_get(0).map_err(Error::internal)?;
        Err(Error::new(
            ErrorCode::StatementNotAllowed,
            format!(
                "only reading is allowed here, and the function `{name}` is volatile, so that it may do anything; \
                 if it only reads, declare it STABLE or IMMUTABLE in the database"
            ),
        ))
    }
}
