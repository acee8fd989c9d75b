#![doc = include_str!("../README.md")]

mod database;
mod secrets;

use std::{
    collections::HashMap,
    fmt::Display,
    future::pending,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use dynoxide::Database;
use serde_json::json;
use tokio::{net::TcpListener, task::spawn_blocking};
use tokio_util::task::AbortOnDropHandle;

use self::secrets::Secrets;

/// What the targets of DynamoDB begin with.
const DYNAMODB: &str = "DynamoDB_20120810.";
/// What the targets of Secrets Manager begin with.
const SECRETS_MANAGER: &str = "secretsmanager.";
/// The largest request that DynamoDB takes, in bytes.
const MAX_BODY: usize = 16 << 20;

/// A running emulator, which ends when this is dropped.
pub struct Emulator {
    url: String,
    services: Arc<Services>,
    _server: AbortOnDropHandle<io::Result<()>>,
}

/// How an operation fails.
#[derive(Clone, Debug)]
pub enum Failure {
    /// With the code of an exception of AWS, such as `AccessDeniedException`.
    Refused(&'static str),
    /// There is no answer.
    Silent,
}

struct Services {
    database: Database,
    secrets: Secrets,
    failures: Mutex<HashMap<String, Failure>>,
    calls: Mutex<Vec<String>>,
}

/// What an operation of either service answers: a status and a JSON document.
type Answer = (u16, Vec<u8>);

impl Emulator {
    /// Serves on a listener, with the data in a folder, or in memory. It must be called inside a Tokio runtime.
    pub fn start(listener: TcpListener, folder: Option<&Path>) -> io::Result<Self> {
        let url = format!("http://{}", listener.local_addr()?);
        let services = Arc::new(Services {
            database: database::open(folder)?,
            secrets: Secrets::open(folder)?,
            failures: Mutex::default(),
            calls: Mutex::default(),
        });
        let router =
            Router::new().fallback(serve).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(Arc::clone(&services));
        let server = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, router).await }));
        Ok(Self { url, services, _server: server })
    }

    /// Its address, such as `http://127.0.0.1:4566`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets a secret.
    pub fn put_secret(&self, name: &str, value: &str) -> io::Result<()> {
        self.services.secrets.put(name, value)
    }

    /// Removes a secret.
    pub fn remove_secret(&self, name: &str) -> io::Result<()> {
        self.services.secrets.remove(name)
    }

    /// Has an operation, such as `GetItem`, fail from here on.
    pub fn fail(&self, operation: &str, failure: Failure) {
        lock(&self.services.failures).insert(operation.to_owned(), failure);
    }

    /// Has every operation work again.
    pub fn heal(&self) {
        lock(&self.services.failures).clear();
    }

    /// The operations that were called since this was asked last, in order.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.services.calls))
    }

    /// Waits until serving fails.
    pub async fn serve(self) -> io::Result<()> {
        self._server.await.map_err(io::Error::other)?
    }
}

async fn serve(State(services): State<Arc<Services>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
    let operation = target.split_once('.').map_or("", |(_, operation)| operation).to_owned();
    lock(&services.calls).push(operation.clone());
    let failure = lock(&services.failures).get(&operation).cloned();
    let (status, body) = match failure {
        Some(Failure::Silent) => pending().await,
        Some(Failure::Refused(code)) => refused(code, "it is told to fail"),
        None => spawn_blocking(move || answer(&services, &target, &body))
            .await
            .unwrap_or_else(|error| refused("InternalServerError", error)),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body).into_response()
}

fn answer(services: &Services, target: &str, body: &[u8]) -> Answer {
    if let Some(operation) = target.strip_prefix(DYNAMODB) {
        database::answer(&services.database, operation, body)
    } else if let Some(operation) = target.strip_prefix(SECRETS_MANAGER) {
        services.secrets.answer(operation, body)
    } else {
        refused("UnknownOperationException", format_args!("there is no target `{target}`"))
    }
}

/// A refusal as AWS writes it.
fn refused(code: &str, message: impl Display) -> Answer {
    let status = if code == "InternalServerError" { 500 } else { 400 };
    (status, json!({"__type": code, "message": message.to_string()}).to_string().into_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under the locks can leave it broken.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
