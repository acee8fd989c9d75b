//! The protocol side: the tools of one caller on one server.

use std::{num::NonZeroU64, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult,
        DiscoverResult, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::Value as Json;
use tidegate_core::{
    Error, ErrorCode, Result,
    budget::Limits,
    id::RequestId,
    name::nearest,
    policy::permit_query,
    ports::Entity,
    principal::{Principal, Role},
    query::Mode,
    server::{Builtin, Server},
};
use tidegate_engine::{Answer, Engine, RunRequest, encode::Tool};

use crate::{
    builtin::{Call, Outcome},
    failure::explained,
    tools::{self, Tools},
};

/// How long a client may keep a list of tools, in milliseconds.
const TOOLS_TTL_MS: u64 = 60_000;

/// Where the metadata of a result says who answers.
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What came of a call of a tool.
pub(crate) struct Called {
    pub(crate) text: String,
    /// JSON.
    pub(crate) structured: Option<Vec<u8>>,
    pub(crate) is_error: bool,
}

/// Answers one request.
#[derive(Clone)]
pub(crate) struct ToolHandler {
    pub(crate) engine: Arc<Engine>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) server: Option<Arc<Server>>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) request: RequestId,
    pub(crate) timeout: Option<NonZeroU64>,
}

impl ToolHandler {
    /// The tools that the caller may call: what it may not call is not listed.
    async fn listed(&self) -> Result<Vec<rmcp::model::Tool>> {
        let role = self.principal.role;
        let mut listed = Vec::new();
        for query in self.engine.visible_queries(&self.principal, self.server.as_deref()).await? {
            let Some(published) = query.published() else { continue };
            let least = if published.spec.mode == Mode::Read { Role::Runner } else { Role::Editor };
            if role >= least {
                listed.push(self.tools.of_query(&query, published));
            }
        }
        if let Some(server) = self.server.as_deref().filter(|server| !server.spec.builtins.is_empty()) {
            let sources = self.engine.sources_of(server).await?;
            for builtin in Builtin::ALL.into_iter().filter(|builtin| server.spec.builtins.contains(builtin)) {
                let raw = builtin == Builtin::RunSql;
                let usable = sources.iter().filter(|source| !raw || source.allow_raw);
                let names: Vec<_> = usable.map(|source| &source.name).collect();
                if !names.is_empty() && (!raw || role >= Role::Runner) {
                    listed.push(tools::of_builtin(builtin, &names));
                }
            }
        }
        Ok(listed)
    }

    /// Calls a tool. `None` when there is no such tool for the caller.
    pub(crate) async fn call(&self, name: &str, arguments: rmcp::model::JsonObject) -> Option<Called> {
        Some(match self.run(name, arguments).await {
            Ok(outcome) => {
                let Outcome { structured, text } = outcome?;
                Called { text, structured: Some(structured), is_error: false }
            }
            Err(error) => {
                if matches!(error.code(), ErrorCode::Internal | ErrorCode::Unavailable) {
                    self.protocol_error(&error);
                }
                Called { text: explained(&error, self.request), structured: None, is_error: true }
            }
        })
    }

    async fn run(&self, name: &str, arguments: rmcp::model::JsonObject) -> Result<Option<Outcome>> {
        let limits = Limits::default().within(self.timeout);
        let run = RunRequest { arguments, limits, request: Some(self.request), ..RunRequest::default() };
        if let Some(builtin) = Builtin::ALL.into_iter().find(|builtin| builtin.as_str() == name) {
            let Some(server) = self.server.as_deref().filter(|server| server.spec.builtins.contains(&builtin)) else {
                return Ok(None);
            };
            let call = Call { engine: &self.engine, principal: &self.principal, server, request: run };
            return call.run(builtin).await.map(Some);
        }
        self.run_query(name, run).await
    }

    async fn run_query(&self, name: &str, mut run: RunRequest) -> Result<Option<Outcome>> {
        let query = match self.engine.query(&self.principal, name).await {
            // A tool has the name of its query; an id is not a tool's name.
            Ok(query) if query.name().as_str() == name => query,
            Ok(_) => return Ok(None),
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let scope = self.engine.scope(&self.principal).await?;
        let permit = match permit_query(&self.principal, &query, self.server.as_deref(), &scope) {
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            permit => permit?,
        };
        let spec = &permit.action().revision.spec;
        if spec.mode == Mode::Read && tools::takes_cursor(spec) {
            run.cursor = match run.arguments.shift_remove(tools::CURSOR) {
                None | Some(Json::Null) => None,
                Some(Json::String(cursor)) => Some(cursor),
                Some(_) => return Err(Error::invalid_argument(tools::CURSOR, "`cursor` must be a string")),
            };
        }
        let Answer { encoder, body, .. } = self.engine.run_query(&permit, run, Tool::default()).await?;
        Ok(Some(Outcome { structured: body, text: encoder.into_text() }))
    }

    /// Who answers. Clients of 2026-07-28 expect it with every result.
    pub(crate) fn identity(&self) -> Implementation {
        let mut identity = Implementation::new("tidegate", env!("CARGO_PKG_VERSION"));
        if let Some(server) = &self.server {
            identity.name = server.spec.name.to_string();
            identity.title.clone_from(&server.spec.title);
        }
        identity
    }

    fn meta(&self, context: &RequestContext<RoleServer>) -> Option<MetaObject> {
        let identity = serde_json::to_value(self.identity()).ok().filter(|_| is_modern(context))?;
        let mut meta = MetaObject::default();
        meta.insert(SERVER_INFO.to_owned(), identity);
        Some(meta)
    }
}

impl ServerHandler for ToolHandler {
    fn get_info(&self) -> ServerConfig {
        let config =
            ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(self.identity());
        match self.server.as_ref().and_then(|server| server.spec.instructions.clone()) {
            Some(instructions) => config.with_instructions(instructions),
            None => config,
        }
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut result =
            DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), self.get_info());
        result.ttl_ms = TOOLS_TTL_MS;
        result.cache_scope = CacheScope::Private;
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some_and(|cursor| !cursor.is_empty())) {
            return Err(ErrorData::invalid_params("the list of tools has one page; leave `cursor` out", None));
        }
        let tools = self.listed().await.map_err(|error| self.protocol_error(&error))?;
        let mut result =
            ListToolsResult::with_all_items(tools).with_ttl_ms(TOOLS_TTL_MS).with_cache_scope(CacheScope::Private);
        result.meta = self.meta(&context);
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        // The library goes on with a call whose client has gone away. Dropping it cancels its statement.
        let Some(called) = context.ct.run_until_cancelled(self.call(&request.name, arguments)).await else {
            return Err(ErrorData::internal_error("the call was cancelled", None));
        };
        let Some(Called { text, structured, is_error }) = called else {
            return Err(self.unknown(&request.name).await);
        };
        let content = vec![ContentBlock::text(text)];
        let mut result = if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
        result.structured_content = match structured.map(|json| serde_json::from_slice(&json)).transpose() {
            Ok(structured) => structured,
            Err(error) => return Err(self.protocol_error(&Error::internal(error))),
        };
        result.meta = self.meta(&context);
        Ok(CallToolResponse::Complete(result))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let CustomRequest { method, .. } = request;
        let is_legacy = LEGACY_METHODS.contains(&method.as_str()) && !is_modern(&context);
        Err(if is_legacy || METHODS.contains(&method.as_str()) {
            ErrorData::invalid_params(format!("the params of `{method}` do not have its shape"), None)
        } else {
            ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, format!("there is no method `{method}`"), None)
        })
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(absent("prompts"))
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(absent("resources"))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(absent("resource templates"))
    }
}

/// The methods of both eras that take requests here. The library hands one over as unknown when its params have another
/// shape.
const METHODS: [&str; 2] = ["tools/call", "tools/list"];

/// Those of the eras before 2026-07-28, which removed them.
const LEGACY_METHODS: [&str; 2] = ["initialize", "ping"];

/// Whether the client says its version with every request.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// The answer to a request for what was not declared.
fn absent(what: &str) -> ErrorData {
    ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, format!("this server has tools only, no {what}"), None)
}

impl ToolHandler {
    /// The error of a tool that there is not, with the nearest there is.
    async fn unknown(&self, name: &str) -> ErrorData {
        let tools = self.listed().await.unwrap_or_default();
        let near = nearest(name, tools.iter().map(|tool| &*tool.name));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        ErrorData::invalid_params(format!("there is no tool `{name}`{hint}"), None)
    }

    /// A fault of Tidegate as a protocol error; the log has what happened.
    fn protocol_error(&self, error: &Error) -> ErrorData {
        tracing::error!(?error, "an MCP request failed");
        ErrorData::internal_error(format!("{} (request id {})", error.message(), self.request), None)
    }
}
