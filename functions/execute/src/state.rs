//! What the handlers need.

use std::sync::Arc;

use axum::extract::FromRef;
use tidegate_engine::Engine;
use tidegate_http::Authenticator;

/// What the handlers need; made once per process.
#[derive(Clone)]
pub struct ExecuteState {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Runs statements.
    pub engine: Arc<Engine>,
}

impl FromRef<ExecuteState> for Arc<Authenticator> {
    fn from_ref(state: &ExecuteState) -> Self {
        Arc::clone(&state.authenticator)
    }
}
