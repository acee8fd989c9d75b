//! What a store does when DynamoDB, or the way to it, fails: what is transient is tried again, what lasts is
//! `Unavailable` in good time, and nothing is ever half written.
//!
//! A server on loopback stands before an embedded DynamoDB and does to requests what it is told.

use std::{
    env, future,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
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
use tidegate_core::{
    ErrorCode, Result,
    api_key::ApiKey,
    execution::Execution,
    idempotency::IdempotentRequest,
    ports::{self, Executions, Repository},
    query::Query,
    server::Server,
    source::Source,
    tenant::Tenant,
};
use tidegate_store::{AwsBackend, AwsSettings, BatchExecutions, DynamoStore};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use crate::fixtures::{api_key, execution, query, revision, server, source, tenant};

/// Set in a process that runs one test of this file.
const ALONE: &str = "TIDEGATE_TEST_FAULTS_ALONE";

/// How long a call may take at most, whatever happens to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is done to a request that writes, or in one test to one that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
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
    fn is_applied(self) -> bool {
        matches!(self, Self::Slow | Self::Lost | Self::LostInSilence)
    }
}

/// What happens to the next requests of these operations.
#[derive(Clone, Copy)]
struct Weather {
    operations: &'static [&'static str],
    fault: Fault,
    requests: usize,
}

const WRITES: &[&str] = &["TransactWriteItems", "BatchWriteItem"];
const READS: &[&str] = &["GetItem", "Query"];

/// A DynamoDB behind a way that fails when it is told to, and a store on it.
struct Faulty {
    store: DynamoStore,
    way: Way,
    _server: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Way {
    database: Database,
    weather: Arc<Mutex<Option<Weather>>>,
    calls: Arc<AtomicUsize>,
}

impl Faulty {
    async fn start() -> Self {
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

    fn befall(&self, operations: &'static [&'static str], fault: Fault, requests: usize) {
        *self.way.weather.lock().unwrap() = Some(Weather { operations, fault, requests });
        self.way.calls.store(0, Ordering::Relaxed);
    }

    fn clear(&self) {
        *self.way.weather.lock().unwrap() = None;
    }

    /// Everything in the table, in an order of its own.
    fn items(&self) -> Vec<Json> {
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
        "DescribeTable" => call!(describe_table),
        "DescribeTimeToLive" => call!(describe_time_to_live),
        "GetItem" => call!(get_item),
        "Query" => call!(query),
        "TransactWriteItems" => call!(transact_write_items),
        "UpdateTimeToLive" => call!(update_time_to_live),
        _ => unreachable!("the store asks for {operation}"),
    };
    match answered {
        Ok(body) => body.into_response(),
        Err(error) => (StatusCode::from_u16(error.status_code()).unwrap(), error.to_json()).into_response(),
    }
}

/// What the steps write, alike on every store.
struct Things {
    tenant: Tenant,
    source: Source,
    other: Source,
    request: IdempotentRequest,
    query: Query,
    /// The query with a draft beside what runs.
    saved: Query,
    server: Server,
    owner_key: ApiKey,
    key: ApiKey,
    executions: Vec<Execution>,
}

impl Things {
    fn new() -> Self {
        let id = tenant();
        let now = chrono::Utc::now();
        let flights = source(id, "flights");
        let other = source(id, "trains");
        let query = query(id, "late", &flights);
        Self {
            tenant: Tenant { id, name: "acme".parse().unwrap(), created_at: now },
            request: IdempotentRequest { key: "key".to_owned(), fingerprint: "all of it".to_owned(), at: now },
            server: server(id, "desk", [query.id]),
            owner_key: api_key(id, "owner"),
            key: api_key(id, "app"),
            executions: (0..3).map(|_| execution(id)).collect(),
            saved: query.with_draft(revision(2, "late", &other)),
            source: flights,
            other,
            query,
        }
    }
}

/// Every write of a store, in an order in which each can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    MakeTenant,
    CreateSource,
    CreateSourceOnce,
    CreateQuery,
    CreateServer,
    CreateKey,
    ReplaceSource,
    SaveDraft,
    ReplaceServer,
    RevokeKey,
    Record,
    DeleteServer,
    DeleteQuery,
    DeleteSource,
}

impl Step {
    const ALL: [Self; 14] = [
        Self::MakeTenant,
        Self::CreateSource,
        Self::CreateSourceOnce,
        Self::CreateQuery,
        Self::CreateServer,
        Self::CreateKey,
        Self::ReplaceSource,
        Self::SaveDraft,
        Self::ReplaceServer,
        Self::RevokeKey,
        Self::Record,
        Self::DeleteServer,
        Self::DeleteQuery,
        Self::DeleteSource,
    ];

    async fn run(self, store: &DynamoStore, things: &Things) -> Result<()> {
        let Things { source, query, server, key, .. } = things;
        let replaced = || Source { version: 2, description: "of 2020".to_owned(), ..source.clone() };
        let without = || Server { version: 2, query_ids: vec![], ..server.clone() };
        match self {
            Self::MakeTenant => ports::Tenants::create(store, &things.tenant, &things.owner_key).await,
            Self::CreateSource => store.create(source).await,
            Self::CreateSourceOnce => {
                assert!(store.create_once(&things.other, &things.request).await?.is_none());
                Ok(())
            }
            Self::CreateQuery => store.create(query).await,
            Self::CreateServer => store.create(server).await,
            Self::CreateKey => store.create(key).await,
            Self::ReplaceSource => store.replace(&replaced()).await,
            Self::SaveDraft => store.replace(&things.saved).await,
            Self::ReplaceServer => store.replace(&without()).await,
            Self::RevokeKey => {
                store.replace(&ApiKey { version: 2, revoked_at: Some(key.created_at), ..key.clone() }).await
            }
            Self::Record => store.record_all(&things.executions).await,
            Self::DeleteServer => store.delete(&without()).await,
            Self::DeleteQuery => store.delete(&things.saved).await,
            Self::DeleteSource => store.delete(&replaced()).await,
        }
    }
}

/// The table after each step on a way without faults.
async fn course(things: &Things) -> Vec<Vec<Json>> {
    let faultless = Faulty::start().await;
    let mut course = Vec::new();
    for step in Step::ALL {
        step.run(&faultless.store, things).await.unwrap();
        course.push(faultless.items());
    }
    course
}

/// Whether this process runs one of these tests alone, with the credentials that a client wants in its environment, as a
/// function has them. When it does not, another does. Alone, because the SDK counts retries by process and gives up
/// retrying when they are many.
fn is_alone(test: &str) -> bool {
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let status = Command::new(env::current_exe().unwrap())
        .args([&format!("faults::{test}"), "--exact", "--nocapture"])
        .envs([(ALONE, "1"), ("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")])
        .status()
        .unwrap();
    assert!(status.success());
    false
}

#[tokio::test]
async fn a_write_outlives_one_fault_and_is_written_once() {
    if !is_alone("a_write_outlives_one_fault_and_is_written_once") {
        return;
    }
    let things = Arc::new(Things::new());
    let course = Arc::new(course(&things).await);
    let mut tests = JoinSet::new();
    for fault in [
        Fault::Throttled,
        Fault::Failed,
        Fault::Conflicting,
        Fault::Silent,
        Fault::Slow,
        Fault::Lost,
        Fault::LostInSilence,
    ] {
        let (things, course) = (Arc::clone(&things), Arc::clone(&course));
        tests.spawn(async move {
            let faulty = Faulty::start().await;
            for (step, expected) in Step::ALL.into_iter().zip(course.iter()) {
                // An attempt without an answer takes three seconds.
                let is_long = matches!(fault, Fault::Silent | Fault::LostInSilence | Fault::Slow);
                let is_tried = match step {
                    Step::CreateSourceOnce | Step::SaveDraft | Step::DeleteQuery => true,
                    Step::Record => fault != Fault::Conflicting && !is_long,
                    _ => !is_long,
                };
                if is_tried {
                    faulty.befall(WRITES, fault, 1);
                }
                step.run(&faulty.store, &things).await.unwrap_or_else(|error| panic!("{fault:?} {step:?}: {error:?}"));
                assert_eq!(faulty.way.calls.swap(0, Ordering::Relaxed), usize::from(is_tried), "{fault:?} {step:?}");
                expect_alike(&faulty.items(), expected, fault, step);
            }
        });
    }
    tests.join_all().await;
}

#[tokio::test]
async fn a_write_that_cannot_be_made_is_unavailable_and_all_or_nothing() {
    if !is_alone("a_write_that_cannot_be_made_is_unavailable_and_all_or_nothing") {
        return;
    }
    let things = Arc::new(Things::new());
    let course = Arc::new(course(&things).await);
    let mut tests = JoinSet::new();
    for fault in [Fault::Throttled, Fault::Failed, Fault::Conflicting, Fault::Lost] {
        let (things, course) = (Arc::clone(&things), Arc::clone(&course));
        tests.spawn(async move {
            let faulty = Faulty::start().await;
            let mut before = Vec::new();
            for (step, expected) in Step::ALL.into_iter().zip(course.iter()) {
                if fault == Fault::Conflicting && step == Step::Record {
                    // It is no transaction.
                    step.run(&faulty.store, &things).await.unwrap();
                } else {
                    faulty.befall(WRITES, fault, usize::MAX);
                    unavailable(step.run(&faulty.store, &things).await, fault);
                    faulty.clear();
                    expect_alike(&faulty.items(), if fault.is_applied() { expected } else { &before }, fault, step);
                    if !fault.is_applied() {
                        step.run(&faulty.store, &things).await.unwrap();
                    }
                }
                before = faulty.items();
                expect_alike(&before, expected, fault, step);
            }
        });
    }
    tests.join_all().await;
}

#[tokio::test]
async fn a_dynamodb_that_falls_silent_is_given_up_in_time() {
    if !is_alone("a_dynamodb_that_falls_silent_is_given_up_in_time") {
        return;
    }
    let things = Arc::new(Things::new());
    let mut tests = JoinSet::new();
    for fault in [Fault::Silent, Fault::LostInSilence] {
        for step in [Step::CreateSourceOnce, Step::MakeTenant] {
            let things = Arc::clone(&things);
            tests.spawn(async move {
                let faulty = Faulty::start().await;
                faulty.befall(WRITES, fault, usize::MAX);
                let began = Instant::now();
                unavailable(step.run(&faulty.store, &things).await, fault);
                assert!(began.elapsed() < PATIENCE, "{fault:?} {step:?}: {:?}", began.elapsed());
                assert_eq!(faulty.items().is_empty(), fault == Fault::Silent, "{fault:?} {step:?}");
            });
        }
    }
    tests.join_all().await;
}

#[tokio::test]
async fn a_read_outlives_some_faults_and_is_unavailable_beyond() {
    if !is_alone("a_read_outlives_some_faults_and_is_unavailable_beyond") {
        return;
    }
    let faulty = Faulty::start().await;
    let things = Things::new();
    let id = things.source.id.as_uuid();
    faulty.store.create(&things.source).await.unwrap();
    for fault in [Fault::Throttled, Fault::Failed] {
        faulty.befall(READS, fault, 3);
        let found: Option<Arc<Source>> = faulty.store.get(things.tenant.id, id).await.unwrap();
        assert_eq!(*found.unwrap(), things.source);
        assert_eq!(faulty.way.calls.load(Ordering::Relaxed), 3);
        faulty.befall(READS, fault, usize::MAX);
        unavailable(Repository::<Source>::get(&faulty.store, things.tenant.id, id).await, fault);
        unavailable(faulty.store.page(things.tenant.id, &Default::default(), None, 10).await, fault);
        assert_eq!(faulty.way.calls.load(Ordering::Relaxed), 8);
    }
}

/// A caller whose answer was lost asks again, and learns what it made.
#[tokio::test]
async fn a_request_whose_answer_was_lost_can_be_repeated() {
    if !is_alone("a_request_whose_answer_was_lost_can_be_repeated") {
        return;
    }
    let faulty = Faulty::start().await;
    let Things { source, request, tenant, .. } = Things::new();
    faulty.befall(WRITES, Fault::Lost, usize::MAX);
    unavailable(faulty.store.create_once(&source, &request).await, Fault::Lost);
    faulty.clear();
    let again = crate::fixtures::source(tenant.id, "flights");
    assert_eq!(faulty.store.create_once(&again, &request).await.unwrap(), Some(source.id.as_uuid()));
    assert_eq!(faulty.items().len(), 3, "the source, its name, and the note of the request");
}

fn unavailable<T: std::fmt::Debug>(result: Result<T>, fault: Fault) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{fault:?}: {error:?}");
    assert!(error.retry_after_seconds().is_some(), "{fault:?}: {error:?}");
}

/// Compares two tables item by item: whole tables are too long to be read.
#[track_caller]
fn expect_alike(items: &[Json], expected: &[Json], fault: Fault, step: Step) {
    for (item, expected) in items.iter().zip(expected) {
        assert_eq!(item, expected, "{fault:?} {step:?}");
    }
    assert_eq!(items.len(), expected.len(), "{fault:?} {step:?}");
}
