//! A tenant on a store of its own, and what is asked of its registry.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use tidegate_core::{
    api_key::ApiKey,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    ports::{Clock, Ids, Repository},
    principal::{Role, Scope},
};
use tidegate_http::api_key;
use tidegate_platform::{Environment, Platform};
use tidegate_registry::RegistryState;
use tidegate_store::{LocalBackend, SystemClock, SystemIds};
use tower::ServiceExt;

/// A tenant on a store of its own.
pub(crate) struct Registry {
    pub(crate) local: LocalBackend,
    pub(crate) tenant: TenantId,
    token: SecretString,
    _folder: tempfile::TempDir,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalBackend::open(folder.path()).await.unwrap();
        let (tenant, id) = (TenantId::from_uuid(SystemIds.uuid()), ApiKeyId::from_uuid(SystemIds.uuid()));
        let (token, secret_hash) = api_key::generate(tenant, id, &SystemIds).unwrap();
        let key = ApiKey {
            id,
            tenant,
            tenant_name: "acme".parse().unwrap(),
            name: "owner".parse().unwrap(),
            secret_hash,
            role: Role::Owner,
            scope: Scope::default(),
            limits: Limits::default(),
            expires_at: None,
            revoked_at: None,
            version: 1,
            created_at: SystemClock.now(),
        };
        local.store.create(&key).await.unwrap();
        Self { local, tenant, token, _folder: folder }
    }

    /// What the handlers of a process have that has answered nothing, and remembers what it reads for so long.
    pub(crate) fn state(&self, cache_seconds: u16) -> RegistryState {
        let environment = Environment { cache_seconds, ..Environment::default() };
        let platform = Platform::new(environment, self.local.store.clone())
            .with_secrets(self.local.vault.clone(), Arc::clone(&self.local.key));
        RegistryState::new(&platform, platform.hosted_engine().unwrap()).unwrap()
    }

    /// Sends a request to the routes of a process.
    pub(crate) async fn send(&self, router: Router, call: &Call) -> (StatusCode, Json) {
        let request = Request::builder()
            .method(call.method.clone())
            .uri(call.path)
            .header("authorization", format!("Bearer {}", self.token.expose_secret()))
            .header("idempotency-key", call.path)
            .header("if-match", format!("\"{}\"", call.version))
            .body(Body::from(call.body.to_string()))
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// The routes over what the handlers have.
pub(crate) fn router(state: RegistryState) -> Router {
    tidegate_registry::router(state)
}

/// A request.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// What `If-Match` says.
    pub(crate) version: u64,
    pub(crate) body: Json,
}

impl Call {
    pub(crate) fn new(method: Method, path: &'static str, version: u64, body: Json) -> Self {
        Self { method, path, version, body }
    }
}

/// A source that nobody can connect to, with credentials.
pub(crate) fn source(host: &str, password: &str) -> Json {
    let endpoint = json!({"host": host, "port": 1, "database": "d", "user": "u", "tls": {"mode": "off"}});
    json!({"name": "shop", "connection": {"postgres": endpoint}, "credentials": {"password": password}})
}

/// A query of that source.
pub(crate) fn query(statement: &str) -> Json {
    json!({"name": "late", "description": "what is late", "source": "shop", "statement": statement})
}
