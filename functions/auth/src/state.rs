//! What the handlers need.

use std::sync::Arc;

use axum::extract::FromRef;
use tidegate_core::{
    api_key::ApiKey,
    ports::{Clock, Ids, Repository, Tenants},
    query::Query,
    quota::Quotas,
    rotation::RotationRules,
    server::Server,
    tenant::SignUp,
};
use tidegate_http::Authenticator;
use tidegate_platform::Platform;

/// What the handlers need; made once per process.
#[derive(Clone)]
pub struct AuthState {
    /// Who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Who may make a tenant beside the operator.
    pub sign_up: SignUp,
    /// The hosts of the deployment, whose pages alone may sign up.
    pub hosts: Arc<[String]>,
    /// The tenants.
    pub tenants: Arc<dyn Tenants>,
    /// The API keys.
    pub keys: Arc<dyn Repository<ApiKey>>,
    /// The servers a key can be narrowed to.
    pub servers: Arc<dyn Repository<Server>>,
    /// The queries a key can be narrowed to.
    pub queries: Arc<dyn Repository<Query>>,
    /// How many of each one tenant may have.
    pub quotas: Quotas,
    /// When API keys should be replaced.
    pub rotation: RotationRules,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets.
    pub ids: Arc<dyn Ids>,
}

impl AuthState {
    /// The state over a platform. A key is changed as it is in the store, and not as it was read a moment ago.
    pub fn new(platform: &Platform) -> Self {
        Self {
            authenticator: Arc::clone(&platform.authenticator),
            sign_up: platform.environment.sign_up,
            hosts: platform.environment.hosts.as_slice().into(),
            tenants: Arc::clone(&platform.tenants),
            keys: Arc::clone(&platform.keys).fresh(),
            servers: Arc::clone(&platform.servers).fresh(),
            queries: Arc::clone(&platform.queries).fresh(),
            quotas: platform.environment.quotas,
            rotation: platform.environment.rotation,
            clock: Arc::clone(&platform.clock),
            ids: Arc::clone(&platform.ids),
        }
    }
}

impl FromRef<AuthState> for Arc<Authenticator> {
    fn from_ref(state: &AuthState) -> Self {
        Arc::clone(&state.authenticator)
    }
}
