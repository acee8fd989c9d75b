//! What the handlers need.

use std::sync::Arc;

use axum::extract::FromRef;
use tidegate_engine::Engine;
use tidegate_http::Authenticator;
use tidegate_platform::Platform;

/// What the handlers need; made once per process.
#[derive(Clone)]
pub struct ExecuteState {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Runs statements.
    pub engine: Arc<Engine>,
}

impl ExecuteState {
    /// The state over a platform and its engine.
    pub fn new(platform: &Platform, engine: Arc<Engine>) -> Self {
        Self { authenticator: Arc::clone(&platform.authenticator), engine }
    }
}

impl FromRef<ExecuteState> for Arc<Authenticator> {
    fn from_ref(state: &ExecuteState) -> Self {
        Arc::clone(&state.authenticator)
    }
}
