//! What a source contains.

use std::num::NonZeroU64;

use tidegate_connectors::{Connector, ServerInfo};
use tidegate_core::{
    Error, ErrorCode, Result,
    budget::Limits,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    policy::{Permit, ReadCatalog},
    source::Source,
};

use crate::Engine;

/// How long the look at the privileges of a login may take: whoever registers a source waits for it.
const PROBE_MS: u64 = 5_000;

impl Engine {
    /// The deadline of questions about a source that begin now, and may not take longer than the caller's own `limits` say.
    pub fn catalog_deadline(&self, permit: &Permit<ReadCatalog>, limits: &Limits) -> Deadline {
        let budget = self.parts.budget.narrowed(&permit.action().source.limits);
        self.deadline(&budget.narrowed(&permit.principal().limits).narrowed(limits))
    }

    /// Opens a session to a source and asks it who it is.
    pub async fn test(&self, permit: &Permit<ReadCatalog>, deadline: Deadline) -> Result<ServerInfo> {
        self.pools.get(&permit.action().source).await?.test(deadline).await
    }

    /// What the login of a source may do beyond reading. A source out of reach says so in their place: it is registered
    /// all the same. `InvalidRequest` when its settings can never work, `Unavailable` when its credentials cannot be read.
    pub async fn privilege_warnings(&self, source: &Source) -> Result<Vec<String>> {
        let limits = Limits { time_ms: NonZeroU64::new(PROBE_MS), ..source.limits };
        let deadline = self.deadline(&self.parts.budget.narrowed(&limits));
        // The source is not stored yet, and may never be at this version: a pool would keep what was never true.
        let warnings = match self.pools.open(source).await {
            Ok(connector) => {
                let warnings = connector.privilege_warnings(deadline).await;
                connector.close().await;
                warnings
            }
            Err(error) => Err(error),
        };
        warnings.or_else(unknown)
    }

    /// The schemas of a source.
    pub async fn schemas(&self, permit: &Permit<ReadCatalog>, deadline: Deadline) -> Result<Vec<Schema>> {
        self.pools.get(&permit.action().source).await?.schemas(deadline).await
    }

    /// The tables of a schema.
    pub async fn tables(&self, permit: &Permit<ReadCatalog>, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        self.pools.get(&permit.action().source).await?.tables(schema, deadline).await
    }

    /// One table.
    pub async fn table(
        &self,
        permit: &Permit<ReadCatalog>,
        schema: &str,
        table: &str,
        deadline: Deadline,
    ) -> Result<TableDetail> {
        self.pools.get(&permit.action().source).await?.table(schema, table, deadline).await
    }
}

/// The warning in place of what a source did not tell. What is wrong with the request or with Tidegate is no matter of the
/// source, and stays an error.
fn unknown(error: Error) -> Result<Vec<String>> {
    match error.code() {
        ErrorCode::InvalidRequest | ErrorCode::Unavailable | ErrorCode::Internal => Err(error),
        _ => Ok(vec![format!("the privileges of the login are not known: {}", error.message())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_source_says_becomes_a_warning() {
        for code in [ErrorCode::SourceUnavailable, ErrorCode::SourceAuthenticationFailed, ErrorCode::Timeout] {
            let warnings = unknown(Error::new(code, "it is away")).unwrap();
            assert_eq!(warnings, ["the privileges of the login are not known: it is away"]);
        }
        for code in [ErrorCode::InvalidRequest, ErrorCode::Unavailable, ErrorCode::Internal] {
            assert_eq!(unknown(Error::new(code, "the vault is away")).unwrap_err().code(), code);
        }
    }
}
