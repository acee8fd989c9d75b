//! What a principal may do.
//!
//! [`Permit`]s can only be made here, and the engine takes permits, so code that forgot to authorise does not compile.
//! What a principal may not see does not exist for it: the answer is `not_found`. What it may see but not do is
//! `forbidden`.

use std::sync::Arc;

use crate::{
    Error, ErrorCode, Name, Result,
    id::{QueryId, TenantId},
    ports::Entity,
    principal::{Caller, Principal, Role},
    query::{Mode, Query, Revision},
    server::{Builtin, Server},
    source::Source,
};

/// Proof that a principal may perform an action. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Permit<A> {
    principal: Arc<Principal>,
    action: A,
}

impl<A> Permit<A> {
    /// Who may.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The tenant it is in.
    pub fn tenant(&self) -> TenantId {
        self.principal.tenant
    }

    /// What may be done, with the resource it may be done to.
    pub fn action(&self) -> &A {
        &self.action
    }
}

/// To see what is registered.
#[derive(Clone, Copy, Debug)]
pub struct ReadRegistry;

/// To register, replace and delete queries and servers.
#[derive(Clone, Copy, Debug)]
pub struct WriteQueries;

/// To register, replace, test and delete sources.
#[derive(Clone, Copy, Debug)]
pub struct WriteSources;

/// To make, list and revoke API keys.
#[derive(Clone, Copy, Debug)]
pub struct ManageApiKeys;

/// To run one query.
#[derive(Clone, Debug)]
pub struct RunQuery {
    /// The query.
    pub query: QueryId,
    /// The revision of it that runs.
    pub revision: Arc<Revision>,
    /// The server it is called through.
    pub server: Option<Name>,
}

/// To run SQL that is not a registered query on one source.
#[derive(Clone, Debug)]
pub struct RunRaw {
    /// The source.
    pub source: Arc<Source>,
    /// The server it is called through.
    pub server: Option<Name>,
    /// Whether it may change rows.
    pub mode: Mode,
}

/// To see what one source contains, and to test its connection.
#[derive(Clone, Debug)]
pub struct ReadCatalog {
    /// The source.
    pub source: Arc<Source>,
}

/// To see executions.
#[derive(Clone, Debug)]
pub struct ReadExecutions {
    /// The only caller whose executions may be seen; none when all of the tenant may.
    pub only: Option<Caller>,
}

/// An action on the registry as a whole, and the least role that may perform it.
pub trait RegistryAction: Sized {
    /// The action.
    const ACTION: Self;
    /// The least role.
    const LEAST: Role;
    /// What it is, for the message.
    const WHAT: &'static str;
}

macro_rules! registry_actions {
    ($($action:ident, $role:ident, $what:literal;)+) => {$(
        impl RegistryAction for $action {
            const ACTION: Self = $action;
            const LEAST: Role = Role::$role;
            const WHAT: &'static str = $what;
        }
    )+};
}

registry_actions! {
    ReadRegistry, Viewer, "see what is registered";
    WriteQueries, Editor, "change queries and servers";
    WriteSources, Admin, "change sources";
    ManageApiKeys, Admin, "manage API keys";
}

/// A permit for an action on the registry. A principal that is narrowed to some servers or queries has none.
pub fn permit<A: RegistryAction>(principal: &Arc<Principal>) -> Result<Permit<A>> {
    at_least(principal, A::LEAST, A::WHAT)?;
    if !principal.scope.is_everything() {
        return Err(Error::new(
            ErrorCode::Forbidden,
            format!("this API key is narrowed to some servers or queries and may not {}", A::WHAT),
        ));
    }
    Ok(Permit { principal: Arc::clone(principal), action: A::ACTION })
}

/// A permit to run a query. `scope` holds the servers that the principal is narrowed to, `server` the one that the
/// call came through.
pub fn permit_query(
    principal: &Arc<Principal>,
    query: &Arc<Query>,
    server: Option<&Server>,
    scope: &[Arc<Server>],
) -> Result<Permit<RunQuery>> {
    let hidden = || Error::not_found("query", query.name());
    if query.tenant != principal.tenant || !may_see_query(principal, query, scope) {
        return Err(hidden());
    }
    if server.is_some_and(|server| !server.selects(query)) {
        return Err(hidden());
    }
    let revision = query.published().ok_or_else(|| unpublished(query))?;
    match revision.spec.mode {
        Mode::Read => at_least(principal, Role::Runner, "run queries")?,
        Mode::Write => at_least(principal, Role::Editor, "run queries that change data")?,
    }
    let server = server.map(|server| server.spec.name.clone());
    let action = RunQuery { query: query.id, revision: Arc::clone(revision), server };
    Ok(Permit { principal: Arc::clone(principal), action })
}

/// A permit to try the draft of a query, for whoever may change it. `scope` is as for [`permit_query`].
pub fn permit_draft(principal: &Arc<Principal>, query: &Query, scope: &[Arc<Server>]) -> Result<Permit<RunQuery>> {
    if query.tenant != principal.tenant || !may_see_query(principal, query, scope) {
        return Err(Error::not_found("query", query.name()));
    }
    permit::<WriteQueries>(principal)?;
    let no_draft = || Error::new(ErrorCode::NotFound, format!("the query `{}` has no draft", query.name()));
    let draft = query.draft().ok_or_else(no_draft)?;
    let action = RunQuery { query: query.id, revision: Arc::clone(draft), server: None };
    Ok(Permit { principal: Arc::clone(principal), action })
}

/// The error of a query of which nothing runs.
fn unpublished(query: &Query) -> Error {
    let name = query.name();
    let message = format!("the query `{name}` is a draft and does not run before POST /v1/queries/{name}/publish");
    Error::new(ErrorCode::NotFound, message)
}

/// Whether a principal may know of a query.
pub fn may_see_query(principal: &Principal, query: &Query, scope: &[Arc<Server>]) -> bool {
    principal.scope.is_everything()
        || principal.scope.queries.contains(query.name())
        || scope.iter().any(|server| may_see_server(principal, server) && server.selects(query))
}

/// Whether a principal may know of a server.
pub fn may_see_server(principal: &Principal, server: &Server) -> bool {
    server.tenant == principal.tenant
        && (principal.scope.is_everything() || principal.scope.servers.contains(&server.spec.name))
}

/// A permit to run raw SQL that only reads. Directly it takes an editor; through a server that offers `run_sql` on the
/// source, whose author granted it, a runner. The source has to allow it either way.
pub fn permit_raw(principal: &Arc<Principal>, source: &Arc<Source>, server: Option<&Server>) -> Result<Permit<RunRaw>> {
    see_source(principal, source, server, Builtin::RunSql)?;
    allowed(source.allow_raw, source, "raw SQL", "allow_raw")?;
    let least = if server.is_some() { Role::Runner } else { Role::Editor };
    at_least(principal, least, "run raw SQL")?;
    let server = server.map(|server| server.spec.name.clone());
    let action = RunRaw { source: Arc::clone(source), server, mode: Mode::Read };
    Ok(Permit { principal: Arc::clone(principal), action })
}

/// A permit to change rows by raw SQL. It takes an editor, and no server can grant it.
pub fn permit_raw_write(principal: &Arc<Principal>, source: &Arc<Source>) -> Result<Permit<RunRaw>> {
    let Permit { principal, action } = permit_raw(principal, source, None)?;
    allowed(source.allow_raw_writes, source, "raw SQL that changes rows", "allow_raw_writes")?;
    Ok(Permit { principal, action: RunRaw { mode: Mode::Write, ..action } })
}

/// `Forbidden` when a flag of a source is not set.
fn allowed(flag: bool, source: &Source, what: &str, field: &str) -> Result<()> {
    if flag {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Forbidden,
        format!("the source `{}` does not allow {what}; set `{field}: true` on it or register a query", source.name),
    ))
}

/// A permit to see what a source contains, directly or through the built-in tool of a server.
pub fn permit_catalog(
    principal: &Arc<Principal>,
    source: &Arc<Source>,
    through: Option<(&Server, Builtin)>,
) -> Result<Permit<ReadCatalog>> {
    match through {
        Some((server, builtin)) => see_source(principal, source, Some(server), builtin)?,
        None => see_source(principal, source, None, Builtin::ListTables)?,
    }
    Ok(Permit { principal: Arc::clone(principal), action: ReadCatalog { source: Arc::clone(source) } })
}

/// A permit to see executions: those of the tenant, or only its own for a principal that is narrowed to some servers or
/// queries.
pub fn permit_executions(principal: &Arc<Principal>) -> Result<Permit<ReadExecutions>> {
    at_least(principal, Role::Viewer, "see executions")?;
    let only = (!principal.scope.is_everything()).then(|| principal.caller.clone());
    Ok(Permit { principal: Arc::clone(principal), action: ReadExecutions { only } })
}

fn see_source(principal: &Principal, source: &Source, server: Option<&Server>, builtin: Builtin) -> Result<()> {
    let visible = source.tenant == principal.tenant
        && match server {
            Some(server) => may_see_server(principal, server) && server.offers(builtin, source.id),
            None => principal.scope.is_everything(),
        };
    if visible { Ok(()) } else { Err(Error::not_found("source", &source.name)) }
}

fn at_least(principal: &Principal, least: Role, what: &str) -> Result<()> {
    if principal.role >= least {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Forbidden,
        format!("the role `{}` may not {what}; it takes `{}`", principal.role.as_str(), least.as_str()),
    ))
}
