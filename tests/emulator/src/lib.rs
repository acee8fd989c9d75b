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
    time::Duration,
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
use tokio::{net::TcpListener, sync::oneshot, task::spawn_blocking, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use self::secrets::Secrets;

/// What the targets of DynamoDB begin with.
const DYNAMODB: &str = "DynamoDB_20120810.";
/// What the targets of Secrets Manager begin with.
const SECRETS_MANAGER: &str = "secretsmanager.";
/// The operations that change something.
const WRITES: [&str; 10] = [
    "BatchWriteItem",
    "CreateSecret",
    "CreateTable",
    "DeleteItem",
    "DeleteSecret",
    "PutItem",
    "PutSecretValue",
    "TransactWriteItems",
    "UpdateItem",
    "UpdateTimeToLive",
];
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
    /// With such a code and the message beside it.
    RefusedSaying(&'static str, &'static str),
    /// As a transaction that is cancelled, for a reason such as `TransactionConflict`.
    Cancelled(&'static str),
    /// The answer comes this late.
    Slow(Duration),
    /// There is no answer.
    Silent,
}

/// A failure, and how many calls it is for; none for all.
struct Fault {
    failure: Failure,
    left: Option<usize>,
}

/// When a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it is done.
    Before,
    /// When it is done, and not answered.
    After,
}

/// A write that is held.
struct Hold {
    moment: Moment,
    /// How many writes come before it.
    before: usize,
    reached: oneshot::Sender<()>,
}

struct Services {
    database: Database,
    secrets: Secrets,
    faults: Mutex<HashMap<String, Fault>>,
    hold: Mutex<Option<Hold>>,
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
            faults: Mutex::default(),
            hold: Mutex::default(),
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

    /// The names of the secrets.
    pub fn secret_names(&self) -> Vec<String> {
        self.services.secrets.names()
    }

    /// Has an operation, such as `GetItem`, fail from here on.
    pub fn fail(&self, operation: &str, failure: Failure) {
        lock(&self.services.faults).insert(operation.to_owned(), Fault { failure, left: None });
    }

    /// Has an operation fail this many times, and work again then.
    pub fn fail_times(&self, operation: &str, failure: Failure, times: usize) {
        lock(&self.services.faults).insert(operation.to_owned(), Fault { failure, left: Some(times) });
    }

    /// Has every operation work again, and holds none.
    pub fn heal(&self) {
        lock(&self.services.faults).clear();
        *lock(&self.services.hold) = None;
    }

    /// Holds the write of this number, counted from 1 over both services, for ever, and tells when that is reached. It takes the
    /// place of what was held before.
    pub fn hold_write(&self, number: usize, moment: Moment) -> oneshot::Receiver<()> {
        let (reached, is_reached) = oneshot::channel();
        *lock(&self.services.hold) = Some(Hold { moment, before: number.saturating_sub(1), reached });
        is_reached
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
    let mut hold = services.held(&operation);
    if let Some(hold) = hold.take_if(|hold| hold.moment == Moment::Before) {
        hold.stay().await;
    }
    let failure = lock(&services.faults).get_mut(&operation).and_then(Fault::strike);
    if let Some(Failure::Slow(late)) = failure {
        sleep(late).await;
    }
    let (status, body) = match failure {
        Some(Failure::Silent) => pending().await,
        Some(Failure::Refused(code)) => refused(code, "it is told to fail"),
        Some(Failure::RefusedSaying(code, message)) => refused(code, message),
        Some(Failure::Cancelled(reason)) => cancelled(reason),
        Some(Failure::Slow(_)) | None => spawn_blocking(move || answer(&services, &target, &body))
            .await
            .unwrap_or_else(|error| refused("InternalServerError", error)),
    };
    if let Some(hold) = hold {
        hold.stay().await;
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body).into_response()
}

impl Services {
    /// The hold, when this is the call that it is for.
    fn held(&self, operation: &str) -> Option<Hold> {
        let mut hold = lock(&self.hold);
        let waiting = hold.as_mut().filter(|_| WRITES.contains(&operation))?;
        match waiting.before.checked_sub(1) {
            Some(before) => {
                waiting.before = before;
                None
            }
            None => hold.take(),
        }
    }
}

impl Hold {
    /// Says that it is reached, and stays there until the caller is gone.
    async fn stay(self) {
        // Whoever waited for it may be gone too.
        let _ = self.reached.send(());
        pending().await
    }
}

impl Fault {
    /// How the next call fails, unless it works again.
    fn strike(&mut self) -> Option<Failure> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        Some(self.failure.clone())
    }
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

/// A transaction of one action that is cancelled, as DynamoDB writes it.
fn cancelled(reason: &str) -> Answer {
    let cancelled = json!({"__type": "TransactionCanceledException", "Message": "Transaction cancelled",
                           "CancellationReasons": [{"Code": reason}]});
    (400, cancelled.to_string().into_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under the locks can leave it broken.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
