//! A process that ends between any two writes of a request leaves a registry that holds together: every source has the
//! credentials it names, and what refers to another is noted there. Credentials without a source may be left, for `purge`;
//! the other way round may not. Who asks again gets what they wanted.

mod ending;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{Method, StatusCode},
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use tidegate_core::{
    deadline::Deadline,
    ports::{self, Clock, Entity, Reference, Repository, Revisions, Vault},
    query::Query,
    server::Server,
    source::{SecretRef, Source},
};
use tidegate_sync::Tasks;
use tokio::task::JoinSet;

use self::ending::{End, EndingRepository, EndingVault, Process};
use crate::fixtures::{Call, Registry, file, query, query_of, router, source};

/// Something that is asked of a registry.
struct Operation {
    /// What was asked of it before.
    before: Vec<Call>,
    call: Call,
    /// Whether the source is made or changed by another request when this one has looked for it.
    is_overtaken: bool,
    /// How it is answered when nothing ends.
    answer: StatusCode,
    /// How many writes it makes then, those that are refused included.
    writes: usize,
}

fn operation(before: impl IntoIterator<Item = Call>, call: Call, answer: StatusCode, writes: usize) -> Operation {
    Operation { before: before.into_iter().collect(), call, is_overtaken: false, answer, writes }
}

fn overtaken(operation: Operation) -> Operation {
    Operation { is_overtaken: true, ..operation }
}

/// Everything that writes.
fn operations() -> Vec<Operation> {
    let post = |path, body| Call::new(Method::POST, path, 0, body);
    let put = |path, version, body| Call::new(Method::PUT, path, version, body);
    let delete = |path, version| Call::new(Method::DELETE, path, version, Json::Null);
    let shop = || post("/v1/sources", source("127.0.0.1", "one"));
    let files = || post("/v1/sources", file()).keyed("file");
    let late = || post("/v1/queries", query_of("file", "late", "SELECT 1 AS one"));
    let draft = || put("/v1/queries/late?draft=true", 1, query_of("file", "late", "SELECT 2 AS two"));
    let desk = || post("/v1/servers", json!({"name": "desk", "queries": ["late"]}));
    let outside =
        json!({"name": "shop", "connection": {"sqlite": {"path": "../x"}}, "credentials": {"password": "two"}});
    let moved = json!({"name": "shop", "connection": source("127.0.0.2", "")["connection"]});
    let described = json!({"name": "shop", "description": "d", "connection": source("127.0.0.1", "")["connection"]});
    let explorer = json!({"name": "explorer", "sources": ["shop", "file"], "builtins": ["list_tables"]});
    let [ok, created, no_content] = [StatusCode::OK, StatusCode::CREATED, StatusCode::NO_CONTENT];
    vec![
        operation([], shop(), created, 2),
        // Refused after its credentials were kept: by its connection, and for its name.
        operation([], post("/v1/sources", outside.clone()), StatusCode::BAD_REQUEST, 2),
        operation([shop()], shop().keyed("another"), StatusCode::CONFLICT, 3),
        operation([shop()], put("/v1/sources/shop", 1, source("127.0.0.1", "two")), ok, 3),
        operation([shop()], put("/v1/sources/shop", 1, moved), ok, 2),
        operation([shop()], put("/v1/sources/shop", 1, described.clone()), ok, 1),
        operation([shop()], put("/v1/sources/shop", 1, outside), StatusCode::BAD_REQUEST, 2),
        overtaken(operation(
            [shop(), put("/v1/sources/shop", 1, described.clone())],
            put("/v1/sources/shop", 1, source("127.0.0.1", "two")),
            StatusCode::CONFLICT,
            3,
        )),
        overtaken(operation([shop()], shop(), created, 3)),
        operation([shop()], delete("/v1/sources/shop", 1), no_content, 2),
        operation([files()], late(), created, 1),
        operation([shop()], post("/v1/queries", query("SELECT 1 AS one")), created, 1),
        operation([files(), late()], draft(), ok, 1),
        operation([files(), late()], put("/v1/queries/late", 1, query_of("file", "late", "SELECT 2 AS two")), ok, 1),
        operation([files(), late(), draft()], Call::new(Method::POST, "/v1/queries/late/publish", 2, json!({})), ok, 1),
        operation([files(), late(), draft()], delete("/v1/queries/late/draft", 2), ok, 1),
        operation([files(), late()], delete("/v1/queries/late", 1), no_content, 1),
        operation(
            [
                files(),
                late(),
                desk(),
                post("/v1/servers", json!({"name": "front", "queries": ["late"]})).keyed("front"),
            ],
            delete("/v1/queries/late?cascade=true", 1),
            no_content,
            3,
        ),
        operation([files(), late()], desk(), created, 1),
        operation([files(), late(), desk()], put("/v1/servers/desk", 1, json!({"name": "desk"})), ok, 1),
        operation([files(), late(), desk()], delete("/v1/servers/desk", 1), no_content, 1),
        // A query of the source, which a server names; a draft there of a query that runs elsewhere; a server that shows it.
        operation(
            [
                shop(),
                files(),
                late(),
                put("/v1/queries/late", 1, query("SELECT 2 AS two")),
                post("/v1/queries", query_of("shop", "only", "SELECT 1 AS one")).keyed("only"),
                post("/v1/servers", json!({"name": "desk", "queries": ["only", "late"]})),
                post("/v1/servers", explorer).keyed("explorer"),
            ],
            delete("/v1/sources/shop?cascade=true", 1),
            no_content,
            6,
        ),
    ]
}

/// Two days ahead.
struct DaysAhead;

impl Clock for DaysAhead {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::days(2)
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

impl Registry {
    /// The routes in a process that ends so. It begins with memories of nothing.
    async fn ending(&self, process: &Arc<Process>, is_overtaken: bool) -> Router {
        let mut state = self.state(0);
        let seen = if is_overtaken { Some(self.before_its_change().await) } else { None };
        let inner = Arc::clone(&state.sources);
        state.sources = Arc::new(EndingRepository { inner, process: Arc::clone(process), seen });
        state.queries = ending(state.queries, process);
        state.servers = ending(state.servers, process);
        state.vault = Arc::new(EndingVault { inner: state.vault, process: Arc::clone(process) });
        router(state)
    }

    /// The source `shop` as it was before its last change.
    async fn before_its_change(&self) -> Arc<Source> {
        let sources: &dyn Repository<Source> = &self.local.store;
        let shop = sources.find(self.tenant, &"shop".parse().unwrap()).await.unwrap().unwrap();
        Arc::new(Source { version: shop.version - 1, ..Source::clone(&shop) })
    }

    /// Asks a process that ends so. Gives the answer, unless the process ended before, and the number of writes.
    async fn ask(&self, operation: &Operation, end: End) -> (Option<StatusCode>, usize) {
        let process = Process::new(end);
        let router = self.ending(&process, operation.is_overtaken).await;
        let answer = tokio::select! {
            (status, _) = self.send(router, &operation.call) => Some(status),
            () = process.ended() => None,
        };
        (answer, process.writes())
    }

    /// Every source has the credentials it names, every name leads somewhere, every use is noted on both sides, and every
    /// revision of a query is there.
    async fn expect_whole(&self, place: &str) {
        let (mut needed, mut noted) = (Uses::new(), Uses::new());
        for source in self.look_at::<Source>(&mut needed, &mut noted).await {
            if let Some(secret) = &source.secret {
                self.local.vault.get(secret).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
            }
        }
        for query in self.look_at::<Query>(&mut needed, &mut noted).await {
            let revisions = self.local.store.newest(self.tenant, query.id, None, 10).await.unwrap();
            let numbers: Vec<_> = revisions.iter().map(|revision| revision.number).collect();
            assert!(numbers.iter().copied().eq((1..=query.newest_revision).rev()), "{place}: {numbers:?}");
            assert!(query.held_revisions().into_iter().all(|held| revisions.contains(held)), "{place}: {revisions:?}");
        }
        self.look_at::<Server>(&mut needed, &mut noted).await;
        assert_eq!(noted, needed, "{place}");
    }

    async fn look_at<T: Entity>(&self, needed: &mut Uses, noted: &mut Uses) -> Vec<Arc<T>> {
        let repository: &dyn Repository<T> = &self.local.store;
        let entities = ports::all(repository, self.tenant).await.unwrap();
        for entity in &entities {
            let itself = Reference { kind: T::KIND, id: entity.id() };
            assert!(repository.find(self.tenant, entity.name()).await.unwrap().is_some());
            needed.extend(entity.references().into_iter().map(|target| (target, itself)));
            let users = repository.users(self.tenant, itself.id).await.unwrap();
            noted.extend(users.into_iter().map(|user| (itself, user)));
        }
        entities
    }

    /// The secrets that no source names.
    async fn left_secrets(&self) -> HashSet<SecretRef> {
        let sources = ports::all::<Source>(&self.local.store, self.tenant).await.unwrap();
        let used: HashSet<_> = sources.iter().filter_map(|source| source.secret.clone()).collect();
        let kept = self.local.vault.list(self.tenant).await.unwrap();
        kept.into_iter().filter(|secret| !used.contains(secret)).collect()
    }

    /// Has the task remove what nothing needs, a while later.
    async fn purge(&self) {
        let platform = self.platform(0);
        let mut tasks = Tasks::new(&platform, platform.hosted_engine().unwrap()).unwrap();
        tasks.clock = Arc::new(DaysAhead);
        let deadline = Deadline::after(Instant::now(), Duration::from_secs(60));
        tasks.run(&json!({"task": "purge"}), deadline).await.unwrap();
    }

    /// What callers see of all that is registered, without what is another each time, and the credentials.
    async fn picture(&self) -> Json {
        let mut picture = json!({});
        let state = self.state(0);
        for path in ["/v1/sources", "/v1/queries", "/v1/servers"] {
            let (status, list) = self.send(router(state.clone()), &Call::new(Method::GET, path, 0, Json::Null)).await;
            assert_eq!(status, StatusCode::OK);
            picture[path] = without_what_varies(list);
        }
        let sources = ports::all::<Source>(&self.local.store, self.tenant).await.unwrap();
        for secret in sources.iter().filter_map(|source| source.secret.as_ref()) {
            let secret = self.local.vault.get(secret).await.unwrap();
            picture["secrets"] = json!([picture["secrets"], secret.expose_secret()]);
        }
        picture
    }
}

/// What is needed, and who needs it.
type Uses = BTreeSet<(Reference, Reference)>;

fn without_what_varies(mut value: Json) -> Json {
    const VARIES: [&str; 7] = ["id", "version", "created_at", "updated_at", "saved_at", "saved_by", "published_at"];
    match &mut value {
        Json::Object(members) => {
            members.retain(|name, _| !VARIES.contains(&name.as_str()));
            members.values_mut().for_each(|member| *member = without_what_varies(member.take()));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = without_what_varies(item.take())),
        _ => {}
    }
    value
}

fn ending<T: Entity>(inner: Arc<dyn Repository<T>>, process: &Arc<Process>) -> Arc<dyn Repository<T>> {
    Arc::new(EndingRepository { inner, process: Arc::clone(process), seen: None })
}

/// A registry on which everything was done that comes before an operation.
async fn prepared(operation: &Operation) -> Registry {
    let registry = Registry::start().await;
    for call in &operation.before {
        let (status, body) = registry.send(router(registry.state(0)), call).await;
        assert!(status.is_success(), "{} {}: {status} {body}", call.method, call.path);
    }
    registry
}

/// Whether a second request with the same `If-Match`, or the same `Idempotency-Key`, is answered as it should be.
fn is_answered_again(operation: &Operation, status: StatusCode) -> bool {
    let was_made = match operation.call.method {
        Method::DELETE if !operation.call.path.ends_with("/draft") => StatusCode::NOT_FOUND,
        _ if operation.answer == StatusCode::CREATED => StatusCode::CREATED,
        _ => StatusCode::CONFLICT,
    };
    status == operation.answer || (operation.answer.is_success() && status == was_made)
}

/// Lets an operation end at each of its writes in every way.
async fn interrupt(operation: Operation) {
    let operation = &operation;
    let whole = prepared(operation).await;
    let name = format!("{} {} after {}", operation.call.method, operation.call.path, operation.before.len());
    let (answer, writes) = whole.ask(operation, End::Never).await;
    assert_eq!((answer, writes), (Some(operation.answer), operation.writes), "{name}");
    whole.expect_whole(&name).await;
    assert_eq!(whole.left_secrets().await, HashSet::new(), "{name}");
    let wanted = whole.picture().await;

    for end in (1..=writes).flat_map(|write| [End::Before(write), End::After(write), End::Unanswered(write)]) {
        let place = format!("{name}, {end:?}");
        let registry = prepared(operation).await;
        registry.ask(operation, end).await;
        registry.expect_whole(&place).await;
        assert!(registry.left_secrets().await.len() <= 1, "{place}");

        let status = registry.ask(operation, End::Never).await.0.unwrap();
        assert!(is_answered_again(operation, status), "{place}: {status}");
        registry.purge().await;
        registry.expect_whole(&place).await;
        assert_eq!(registry.left_secrets().await, HashSet::new(), "{place}");
        assert_eq!(registry.picture().await, wanted, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_between_two_writes_leaves_nothing_broken() {
    let interruptions = operations().into_iter().map(interrupt);
    interruptions.collect::<JoinSet<_>>().join_all().await;
}
