//! How much one tenant may have.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Error, ErrorCode, Result,
    id::TenantId,
    ports::{Entity, EntityKind, Repository},
};

/// How many of each one tenant may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// The most sources.
    #[schema(minimum = 1, maximum = 5000)]
    pub sources: u16,
    /// The most queries.
    #[schema(minimum = 1, maximum = 5000)]
    pub queries: u16,
    /// The most servers.
    #[schema(minimum = 1, maximum = 5000)]
    pub servers: u16,
    /// The most API keys that work.
    #[schema(minimum = 1, maximum = 5000)]
    pub keys: u16,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { sources: 100, queries: 1_000, servers: 100, keys: 200 }
    }
}

impl Quotas {
    /// How many entities of a kind one tenant may have.
    pub const fn of(&self, kind: EntityKind) -> u16 {
        match kind {
            EntityKind::Source => self.sources,
            EntityKind::Query => self.queries,
            EntityKind::Server => self.servers,
            EntityKind::ApiKey => self.keys,
        }
    }

    /// Makes sure that a tenant may have one more. `LimitExceeded` when it has as many as it may.
    ///
    /// It counts what is stored. Creations that come at the same moment do not see each other, so they may pass the quota
    /// by as many as there are; the next one is refused.
    pub async fn expect_room<T: Entity>(&self, repository: &dyn Repository<T>, tenant: TenantId) -> Result<()> {
        let most = self.of(T::KIND);
        if repository.count(tenant, most).await? < most { Ok(()) } else { Err(self.exceeded(T::KIND)) }
    }

    /// What a tenant is told that has as many of a kind as it may.
    pub fn exceeded(&self, kind: EntityKind) -> Error {
        let (many, key, free) = match kind {
            EntityKind::Source => ("sources", "sources", "delete"),
            EntityKind::Query => ("queries", "queries", "delete"),
            EntityKind::Server => ("servers", "servers", "delete"),
            EntityKind::ApiKey => ("API keys", "keys", "revoke"),
        };
        Error::new(
            ErrorCode::LimitExceeded,
            format!(
                "this tenant has as many {many} as it may, {}; {free} one that is not needed, or ask the operator to \
                 raise `quotas.{key}`",
                self.of(kind)
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_told_its_quota_and_what_to_do() {
        let quotas = Quotas { sources: 1, queries: 2, servers: 3, keys: 4 };
        for (kind, many, free, key) in [
            (EntityKind::Source, "sources as it may, 1", "delete", "quotas.sources"),
            (EntityKind::Query, "queries as it may, 2", "delete", "quotas.queries"),
            (EntityKind::Server, "servers as it may, 3", "delete", "quotas.servers"),
            (EntityKind::ApiKey, "API keys as it may, 4", "revoke", "quotas.keys"),
        ] {
            let error = quotas.exceeded(kind);
            let expected = format!(
                "this tenant has as many {many}; {free} one that is not needed, or ask the operator to raise `{key}`"
            );
            assert_eq!((error.code(), error.message()), (ErrorCode::LimitExceeded, expected.as_str()));
        }
    }
}
