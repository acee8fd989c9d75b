//! Finds queries, sources and servers for a principal. What it may not see does not exist.

use std::sync::Arc;

use tidegate_core::{
    Error, Result,
    id::TenantId,
    policy::{may_see_query, may_see_server},
    ports::{Entity, all, find},
    principal::Principal,
    query::{Query, Revision},
    server::Server,
    source::Source,
};

use crate::Engine;

impl Engine {
    /// The query with this name or id.
    pub async fn query(&self, principal: &Principal, which: &str) -> Result<Arc<Query>> {
        find(&*self.parts.queries, principal.tenant, which).await
    }

    /// The source with this name or id.
    pub async fn source(&self, principal: &Principal, which: &str) -> Result<Arc<Source>> {
        find(&*self.parts.sources, principal.tenant, which).await
    }

    /// The server with this name or id, when the principal may use it.
    pub async fn server(&self, principal: &Principal, which: &str) -> Result<Arc<Server>> {
        let server = find(&*self.parts.servers, principal.tenant, which).await?;
        if may_see_server(principal, &server) { Ok(server) } else { Err(Error::not_found("server", which)) }
    }

    /// The servers that a principal is narrowed to; none when it is not narrowed.
    pub async fn scope(&self, principal: &Principal) -> Result<Vec<Arc<Server>>> {
        let mut servers = Vec::with_capacity(principal.scope.servers.len());
        for name in &principal.scope.servers {
            // A server that was deleted grants nothing; the rest of the scope still holds.
            servers.extend(self.parts.servers.find(principal.tenant, name).await?);
        }
        Ok(servers)
    }

    /// The source of a revision.
    pub async fn source_of(&self, tenant: TenantId, revision: &Revision) -> Result<Arc<Source>> {
        self.parts
            .sources
            .get(tenant, revision.source_id.as_uuid())
            .await?
            .ok_or_else(|| Error::not_found("source", &revision.spec.source))
    }

    /// The published queries that a server selects, or without one all that the principal may see; in the order of their
    /// names.
    pub async fn visible_queries(&self, principal: &Principal, server: Option<&Server>) -> Result<Vec<Arc<Query>>> {
        let mut queries = match server {
            Some(server) if server.spec.query_tags.is_empty() => {
                let mut named = Vec::with_capacity(server.query_ids.len());
                for id in &server.query_ids {
                    named.extend(self.parts.queries.get(server.tenant, id.as_uuid()).await?);
                }
                named
            }
            _ => all(&*self.parts.queries, principal.tenant).await?,
        };
        let scope = self.scope(principal).await?;
        queries.retain(|query| {
            query.published().is_some()
                && server.is_none_or(|server| server.selects(query))
                && may_see_query(principal, query, &scope)
        });
        queries.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(queries)
    }

    /// The sources that a server's built-in tools may look at.
    pub async fn sources_of(&self, server: &Server) -> Result<Vec<Arc<Source>>> {
        let mut sources = Vec::with_capacity(server.source_ids.len());
        for id in &server.source_ids {
            sources.extend(self.parts.sources.get(server.tenant, id.as_uuid()).await?);
        }
        Ok(sources)
    }
}
