//! What the endpoint needs.

use std::sync::Arc;

use axum::extract::FromRef;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, session::never::NeverSessionManager};
use tidegate_engine::Engine;
use tidegate_http::{Authenticator, edge::MAX_BODY};
use tidegate_platform::Platform;

use crate::tools::Tools;

/// What the endpoint needs; made once per process.
#[derive(Clone)]
pub struct McpState {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) config: Arc<StreamableHttpServerConfig>,
    pub(crate) sessions: Arc<NeverSessionManager>,
    pub(crate) tools: Arc<Tools>,
}

impl McpState {
    /// The state over a platform and its engine. The endpoint answers to the host names of the environment. Any other
    /// name in `Host` is refused, so that a page in a browser cannot reach a local endpoint by a name that resolves to
    /// it.
    pub fn new(platform: &Platform, engine: Arc<Engine>) -> Self {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_keep_alive(None)
            .with_max_request_body_bytes(MAX_BODY)
            .with_allowed_hosts(platform.environment.hosts.iter().cloned());
        Self {
            authenticator: Arc::clone(&platform.authenticator),
            engine,
            config: Arc::new(config),
            sessions: Arc::default(),
            tools: Arc::default(),
        }
    }
}

impl FromRef<McpState> for Arc<Authenticator> {
    fn from_ref(state: &McpState) -> Self {
        Arc::clone(&state.authenticator)
    }
}
