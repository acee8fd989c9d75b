//! The executions of a tenant, as a principal may see them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    execution::{Execution, ExecutionFilter, ExecutionPage, OutcomeFilter},
    id::{ApiKeyId, ExecutionId, QueryId, SourceId, TenantId},
    policy::{Permit, ReadExecutions},
    ports::{Entity, Repository, find},
    principal::Caller,
    query::Query,
};
use uuid::Uuid;

use crate::Engine;

/// Which executions are looked for. What is named by name or id may be gone when it is named by its id.
#[derive(Clone, Debug, Default)]
pub struct ExecutionSearch {
    /// Those of this query.
    pub query: Option<String>,
    /// Those on this source.
    pub source: Option<String>,
    /// Those of this caller: an API key, or `token:` and the subject of a token.
    pub principal: Option<String>,
    /// Those that ended so.
    pub outcome: Option<OutcomeFilter>,
    /// Those that ended then or later.
    pub from: Option<DateTime<Utc>>,
    /// Those that ended before then.
    pub to: Option<DateTime<Utc>>,
}

/// The names of what executions refer to by id. What is gone has none.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<Uuid, Option<Name>>);

impl Names {
    /// The name of a query, a source or an API key.
    pub fn of(&self, id: Uuid) -> Option<&Name> {
        self.0.get(&id)?.as_ref()
    }

    /// The name of a caller. Only API keys have one.
    pub fn of_caller(&self, caller: &Caller) -> Option<&Name> {
        match caller {
            Caller::ApiKey(key) => self.of(key.as_uuid()),
            Caller::Token { .. } => None,
        }
    }

    async fn add<T: Entity>(&mut self, repository: &dyn Repository<T>, tenant: TenantId, id: Uuid) -> Result<()> {
        if let Entry::Vacant(vacant) = self.0.entry(id) {
            vacant.insert(repository.get(tenant, id).await?.map(|entity| entity.name().clone()));
        }
        Ok(())
    }
}

impl Engine {
    /// A page of the executions that a principal may see, newest first. `cursor` is the `next` of the page before. A page
    /// may hold fewer than `limit`, or none, and not be the last.
    pub async fn executions(
        &self,
        permit: &Permit<ReadExecutions>,
        search: &ExecutionSearch,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<ExecutionPage> {
        let tenant = permit.tenant();
        let caller = self.caller(permit, search.principal.as_deref()).await?;
        let filter = ExecutionFilter {
            query: self.id_of(&*self.parts.queries, permit, search.query.as_deref()).await?.map(QueryId::from_uuid),
            source: self.id_of(&*self.parts.sources, permit, search.source.as_deref()).await?.map(SourceId::from_uuid),
            caller: caller.or_else(|| permit.action().only.clone()),
            outcome: search.outcome,
            from: search.from,
            to: search.to,
        };
        if permit.action().only.is_some() && permit.action().only != filter.caller {
            return Ok(ExecutionPage { items: Vec::new(), next: None });
        }
        self.parts.executions.page(tenant, &filter, cursor, limit).await
    }

    /// One execution that the principal may see.
    pub async fn execution(&self, permit: &Permit<ReadExecutions>, which: &str) -> Result<Execution> {
        let found = match which.parse::<ExecutionId>() {
            Ok(id) => self.parts.executions.by_id(permit.tenant(), id).await?,
            Err(_) => None,
        };
        found
            .filter(|execution| permit.action().only.as_ref().is_none_or(|only| execution.caller == *only))
            .ok_or_else(|| Error::not_found("execution", which.chars().take(36).collect::<String>()))
    }

    /// The names of what executions of the permit's tenant refer to.
    pub async fn names(&self, permit: &Permit<ReadExecutions>, executions: &[Execution]) -> Result<Names> {
        let (parts, tenant) = (&self.parts, permit.tenant());
        let mut names = Names::default();
        for execution in executions {
            if let Some((query, _)) = execution.query {
                names.add(&*parts.queries, tenant, query.as_uuid()).await?;
            }
            names.add(&*parts.sources, tenant, execution.source.as_uuid()).await?;
            if let Caller::ApiKey(key) = execution.caller {
                names.add(&*parts.api_keys, tenant, key.as_uuid()).await?;
            }
        }
        Ok(names)
    }

    /// What it takes to run an execution again: its query as it is registered, and the arguments that were kept.
    /// `InvalidRequest` when they were not.
    pub async fn repeatable(&self, execution: Execution) -> Result<(Arc<Query>, Map<String, Json>)> {
        let Some((id, _)) = execution.query else {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "this was raw SQL, whose text is not kept; send the statement again",
            ));
        };
        let found = self.parts.queries.get(execution.tenant, id.as_uuid()).await?;
        let query = found.ok_or_else(|| Error::not_found("query", id))?;
        let arguments = match execution.arguments {
            Some(arguments) => arguments,
            None if query.shown().spec.parameters.is_empty() => Map::new(),
            None => {
                return Err(Error::new(
                    ErrorCode::InvalidRequest,
                    format!(
                        "the arguments of this execution were not kept; run `{}` with them, and set `keep_arguments: true` on it to run later executions again (arguments over 4 KiB are never kept)",
                        query.name()
                    ),
                ));
            }
        };
        Ok((query, arguments))
    }

    /// The caller that is named: an API key by name or id, or whoever has a token.
    async fn caller(&self, permit: &Permit<ReadExecutions>, which: Option<&str>) -> Result<Option<Caller>> {
        if let Some(caller @ Caller::Token { .. }) = which.and_then(|which| which.parse().ok()) {
            return Ok(Some(caller));
        }
        let id = self.id_of(&*self.parts.api_keys, permit, which).await?;
        Ok(id.map(ApiKeyId::from_uuid).map(Caller::ApiKey))
    }

    /// The id of what is named by name or id.
    async fn id_of<T: Entity>(
        &self,
        repository: &dyn Repository<T>,
        permit: &Permit<ReadExecutions>,
        which: Option<&str>,
    ) -> Result<Option<Uuid>> {
        let Some(which) = which else { return Ok(None) };
        if let Ok(id) = Uuid::try_parse(which) {
            return Ok(Some(id));
        }
        match find(repository, permit.tenant(), which).await {
            Ok(entity) => Ok(Some(entity.id())),
            // A narrowed principal sees nothing of the registry, so it is not told which names there are. Nothing has
            // this id.
            Err(error) if error.code() == ErrorCode::NotFound && permit.action().only.is_some() => {
                Ok(Some(Uuid::nil()))
            }
            Err(error) => Err(error),
        }
    }
}
