//! A server on loopback, which stands before an embedded DynamoDB and does to requests what it is told.

use std::{
    future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use dynoxide::{Database, DynoxideError};
use serde_json::{Value as Json, json};
use tidegate_store::{AwsBackend, AwsSettings, DynamoStore};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::steps::Step;

/// What is done to a request that writes, or in one test to one that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Refused for its rate.
    Throttled,
    /// Answered with 500, not applied.
    Failed,
    /// Refused for another transaction; not applied.
    Conflicting,
    /// Never answered, not applied.
    Silent,
    /// Answered after a while.
    Slow,
    /// Applied, and answered with 500.
    Lost,
    /// Applied, and never answered.
    LostInSilence,
}

impl Fault {
    pub(super) fn is_applied(self) -> bool {
        matches!(self, Self::Slow | Self::Lost | Self::LostInSilence)
    }

    /// Whether it can happen to such a write.
    pub(super) fn befalls(self, step: Step) -> bool {
        self != Self::Conflicting || step.is_transaction()
    }
}

/// What happens to the next requests of these operations.
#[derive(Clone, Copy)]
struct Weather {
    operations: &'static [&'static str],
    fault: Fault,
    requests: usize,
}

pub(super) const WRITES: &[&str] = &["TransactWriteItems", "BatchWriteItem", "PutItem", "DeleteItem"];
pub(super) const READS: &[&str] = &["GetItem", "Query"];

/// A DynamoDB behind a way that fails when it is told to, and a store on it.
pub(super) struct Faulty {
    pub(super) store: DynamoStore,
    pub(super) way: Way,
    _server: AbortOnDropHandle<()>,
}

#[derive(Clone)]
pub(super) struct Way {
    database: Database,
    weather: Arc<Mutex<Option<Weather>>>,
    pub(super) calls: Arc<AtomicUsize>,
}

impl Faulty {
    pub(super) async fn start() -> Self {
        let way = Way { database: Database::memory().unwrap(), weather: Arc::default(), calls: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(way.clone());
        let server = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        let settings = AwsSettings { table: "tidegate".to_owned(), secrets: None, endpoint: Some(endpoint) };
        let store = AwsBackend::from_environment(&settings).unwrap().store;
        store.create_table().await.unwrap();
        Self { store, way, _server: server }
    }

    pub(super) fn befall(&self, operations: &'static [&'static str], fault: Fault, requests: usize) {
        *self.way.weather.lock().unwrap() = Some(Weather { operations, fault, requests });
        self.way.calls.store(0, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        *self.way.weather.lock().unwrap() = None;
    }

    /// Everything in the table, in an order of its own.
    pub(super) fn items(&self) -> Vec<Json> {
        let scan = serde_json::from_value(json!({"TableName": "tidegate"})).unwrap();
        let answer = serde_json::to_value(self.way.database.scan(scan).unwrap()).unwrap();
        assert!(answer.get("LastEvaluatedKey").is_none_or(Json::is_null), "more than a page");
        let mut items = answer["Items"].as_array().unwrap().clone();
        for users in items.iter_mut().filter_map(|item| item.pointer_mut("/used_by/SS")?.as_array_mut()) {
            users.sort_by_key(Json::to_string);
        }
        items.sort_by_key(|item| (item["pk"]["S"].to_string(), item["sk"]["S"].to_string()));
        items
    }
}

async fn answer(State(way): State<Way>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = headers["x-amz-target"].to_str().unwrap().split_once('.').unwrap().1;
    let fault = {
        let mut weather = way.weather.lock().unwrap();
        match weather.as_mut().filter(|weather| weather.operations.contains(&operation) && weather.requests > 0) {
            Some(weather) => {
                weather.requests -= 1;
                way.calls.fetch_add(1, Ordering::Relaxed);
                Some(weather.fault)
            }
            None => None,
        }
    };
    let answered = match fault {
        Some(fault) if !fault.is_applied() => None,
        _ => Some(apply(&way.database, operation, &body)),
    };
    let fails = |status, code: &str| {
        let reasons = json!([{"Code": "TransactionConflict"}]);
        let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
        refusal(status, json!({"__type": kind, "message": "the reason", "CancellationReasons": reasons}))
    };
    match fault {
        Some(Fault::Throttled) => fails(400, "ThrottlingException"),
        Some(Fault::Conflicting) => fails(400, "TransactionCanceledException"),
        Some(Fault::Failed | Fault::Lost) => fails(500, "InternalServerError"),
        Some(Fault::Silent | Fault::LostInSilence) => future::pending().await,
        Some(Fault::Slow) => {
            frozen_for(Duration::from_millis(1500)).await;
            answered.unwrap()
        }
        None => answered.unwrap(),
    }
}

/// Keeps an answer back for so long: that it comes late is what is tested.
async fn frozen_for(time: Duration) {
    tokio::time::sleep(time).await;
}

fn refusal(status: u16, body: Json) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

fn apply(database: &Database, operation: &str, body: &[u8]) -> Response {
    macro_rules! call {
        ($operation:ident) => {
            database
                .$operation(serde_json::from_slice(body).unwrap())
                .map(|answer| serde_json::to_string(&answer).unwrap())
        };
    }
    let answered: Result<String, DynoxideError> = match operation {
        "BatchWriteItem" => call!(batch_write_item),
        "CreateTable" => call!(create_table),
        "DeleteItem" => call!(delete_item),
        "DescribeTable" => call!(describe_table),
        "DescribeTimeToLive" => call!(describe_time_to_live),
        "GetItem" => call!(get_item),
        "PutItem" => call!(put_item),
        "Query" => call!(query),
        "Scan" => call!(scan),
        "TransactWriteItems" => call!(transact_write_items),
        "UpdateTimeToLive" => call!(update_time_to_live),
        _ => unreachable!("the store asks for {operation}"),
    };
    match answered {
        Ok(body) => body.into_response(),
        Err(error) => (StatusCode::from_u16(error.status_code()).unwrap(), error.to_json()).into_response(),
    }
}
