//! A tenant on a store of its own, and what is asked of its registry.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use tidegate_core::id::TenantId;
use tidegate_platform::{Environment, Platform, owner::make_tenant};
use tidegate_registry::RegistryState;
use tidegate_store::{LocalBackend, SystemClock, SystemIds};
use tower::ServiceExt;

/// A file that a source may be, without tables.
const FILE: &str = "empty.sqlite";

/// A tenant on a store of its own.
pub(crate) struct Registry {
    pub(crate) local: LocalBackend,
    pub(crate) tenant: TenantId,
    key: SecretString,
    folder: tempfile::TempDir,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "").unwrap();
        let local = LocalBackend::open(folder.path()).await.unwrap();
        let made = make_tenant("acme".parse().unwrap(), &local.store, &SystemClock, &SystemIds).await;
        let (tenant, owner) = made.unwrap();
        Self { local, tenant: tenant.id, key: owner.text, folder }
    }

    /// What a process stands on that remembers what it reads for so long.
    pub(crate) fn platform(&self, cache_seconds: u16) -> Platform {
        let sqlite_folder = self.folder.path().to_owned();
        let environment = Environment { cache_seconds, sqlite_folder, ..Environment::default() };
        Platform::new(environment, self.local.store.clone())
            .with_secrets(self.local.vault.clone(), Arc::clone(&self.local.key))
    }

    /// What the handlers of a process have that has answered nothing, and remembers what it reads for so long.
    pub(crate) fn state(&self, cache_seconds: u16) -> RegistryState {
        let platform = self.platform(cache_seconds);
        RegistryState::new(&platform, platform.hosted_engine().unwrap()).unwrap()
    }

    /// Sends a request to the routes of a process.
    pub(crate) async fn send(&self, router: Router, call: &Call) -> (StatusCode, Json) {
        let request = Request::builder()
            .method(call.method.clone())
            .uri(call.path)
            .header("authorization", format!("Bearer {}", self.key.expose_secret()))
            .header("idempotency-key", call.key)
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
    /// What `Idempotency-Key` says.
    key: &'static str,
    pub(crate) body: Json,
}

impl Call {
    pub(crate) fn new(method: Method, path: &'static str, version: u64, body: Json) -> Self {
        Self { method, path, version, key: path, body }
    }

    /// The same request with another `Idempotency-Key`.
    pub(crate) fn keyed(self, key: &'static str) -> Self {
        Self { key, ..self }
    }
}

/// A source that nobody can connect to, with credentials.
pub(crate) fn source(host: &str, password: &str) -> Json {
    let endpoint = json!({"host": host, "port": 1, "database": "d", "user": "u", "tls": {"mode": "off"}});
    json!({"name": "shop", "connection": {"postgres": endpoint}, "credentials": {"password": password}})
}

/// A query of that source.
pub(crate) fn query(statement: &str) -> Json {
    query_of("shop", "late", statement)
}

/// A query of a source.
pub(crate) fn query_of(source: &str, name: &str, statement: &str) -> Json {
    json!({"name": name, "description": "what is late", "source": source, "statement": statement})
}

/// A source that answers.
pub(crate) fn file() -> Json {
    json!({"name": "file", "connection": {"sqlite": {"path": FILE}}})
}
