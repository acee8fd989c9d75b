//! Processes that are killed at any of their writes, before it is done and after, leave nothing half written; another does
//! what they were asked.

mod command;
mod tasks;
mod whole;

use std::{fs, path::Path, time::Duration};

use chrono::{DateTime, Utc};
use emulator::Moment;
use serde_json::{Value as Json, json};
use tests::lambda::{Cloud, Environment, Event};
use tidegate_core::source::SecretRef;

use self::whole::{SOURCES, expect_whole};
use crate::{AUTH, EXECUTE, REGISTRY, executions};

/// The time that a function is told it has: more than any task asks for.
const TIME: Duration = Duration::from_secs(200);

const PASSWORD: &str = "correct horse";

/// A write at which a process is killed: its number, and when.
type Place = (usize, Moment);

/// Every write, until `kill` says that there are no more. Gives back how many there were.
async fn at_each_write(mut kill: impl AsyncFnMut(Place) -> bool) -> usize {
    for write in 1.. {
        for moment in [Moment::Before, Moment::After] {
            if !kill((write, moment)).await {
                assert_eq!(moment, Moment::Before, "it was killed before this write");
                return write - 1;
            }
        }
    }
    unreachable!("an operation ends")
}

/// Hands a function an event, kills it at a write, and says whether it came to that.
async fn kill_at(cloud: &Cloud, mut function: Environment, event: &Event, (write, moment): Place) -> bool {
    let reached = cloud.emulator.hold_write(write, moment);
    let is_killed = tokio::select! {
        reached = reached => reached.is_ok(),
        outcome = function.invoke(event, TIME) => {
            let mut outcome = outcome.expect("the process ended");
            let body = outcome.rest().await;
            assert!(!outcome.is_failure, "{}", String::from_utf8_lossy(&body));
            false
        }
    };
    drop(function);
    cloud.emulator.heal();
    is_killed
}

/// Something that is asked of a function.
struct Asked {
    /// What was asked of it before.
    before: Vec<Event>,
    /// What it is killed over.
    event: Event,
    /// How the same is answered when it is asked again: done, or done already.
    again: [u16; 2],
}

/// Asks a function for something under one name after the other, and kills it each time at another write.
async fn kill_asked(program: &str, config: &Json, writes: usize, asked: fn(&Cloud, &str) -> Asked) {
    let cloud = Cloud::start().await;
    let local = whole::open(&cloud).await;
    let mut settings = json!({"sqlite_folder": cloud.folder.path()});
    settings.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let variables = cloud.variables_with("TIDEGATE_CONFIG", Some(&settings.to_string()));
    let start = async || Environment::start(Path::new(program), &variables).await;
    let mut left = 0;
    let counted = at_each_write(async |place| {
        let name = format!("k{}-{:?}", place.0, place.1).to_lowercase();
        let Asked { before, event, again } = asked(&cloud, &name);
        let mut function = start().await;
        for event in &before {
            let answer = function.call(event).await;
            assert!(answer.status.is_success(), "{name}: {}", answer.text);
        }
        if !kill_at(&cloud, function, &event, place).await {
            return false;
        }
        let secrets = expect_whole(&local.store, &cloud, &name).await;
        // What is left is taken by the task when it is a day old.
        assert!(secrets.len() <= left + 1 && secrets.iter().all(|secret| made_at(secret).is_some()), "{secrets:?}");
        left = secrets.len();
        let answer = start().await.call(&event).await;
        assert!(again.contains(&answer.status.as_u16()), "{name}: {}", answer.text);
        expect_whole(&local.store, &cloud, &name).await;
        true
    });
    assert_eq!(counted.await, writes);
}

fn made_at(secret: &str) -> Option<DateTime<Utc>> {
    SecretRef::from_key(secret.strip_prefix(SOURCES)?)?.made_at()
}

/// A call by the owner of the demo tenant.
fn call(cloud: &Cloud, method: &str, path: &str, body: &Json) -> Event {
    let key = format!("{path}-{}", body["name"].as_str().unwrap_or_default());
    Event::new(method, path).key(&cloud.key).header("idempotency-key", &key).body(body)
}

/// A call that changes what has this version.
fn change(cloud: &Cloud, version: u64, method: &str, path: &str, body: &Json) -> Event {
    call(cloud, method, path, body).header("if-match", &format!("\"{version}\""))
}

fn source(name: &str, password: &str) -> Json {
    json!({"name": name, "connection": {"sqlite": {"path": "flights.sqlite"}}, "credentials": {"password": password}})
}

fn query(name: &str, source: &str, statement: &str) -> Json {
    json!({"name": name, "description": "d", "source": source, "statement": statement})
}

fn none() -> Json {
    json!({})
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_registers_a_source_leaves_no_half_of_it() {
    kill_asked(REGISTRY, &none(), 2, |cloud, name| Asked {
        before: vec![],
        event: call(cloud, "POST", "/v1/sources", &source(name, "one")),
        again: [201, 201],
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_changes_credentials_leaves_a_source_with_some() {
    kill_asked(REGISTRY, &none(), 3, |cloud, name| Asked {
        before: vec![call(cloud, "POST", "/v1/sources", &source(name, "one"))],
        event: change(cloud, 1, "PUT", &format!("/v1/sources/{name}"), &source(name, "two")),
        again: [200, 409],
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_killed_while_a_deletion_cascades_goes_on_with_it_when_asked_again() {
    kill_asked(REGISTRY, &none(), 4, |cloud, name| Asked {
        before: vec![
            call(cloud, "POST", "/v1/sources", &source(name, "one")),
            call(cloud, "POST", "/v1/queries", &query(name, name, "SELECT 1 AS one")),
            call(cloud, "POST", "/v1/servers", &json!({"name": name, "queries": [name]})),
        ],
        event: change(cloud, 1, "DELETE", &format!("/v1/sources/{name}?cascade=true"), &Json::Null),
        again: [204, 404],
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_publishes_a_query_leaves_all_its_revisions() {
    kill_asked(REGISTRY, &none(), 1, |cloud, name| {
        let path = format!("/v1/queries/{name}");
        let draft = query(name, "flights", "SELECT 2 AS two");
        Asked {
            before: vec![
                call(cloud, "POST", "/v1/queries", &query(name, "flights", "SELECT 1 AS one")),
                change(cloud, 1, "PUT", &format!("{path}?draft=true"), &draft),
            ],
            event: change(cloud, 2, "POST", &format!("{path}/publish"), &none()),
            again: [200, 409],
        }
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_makes_a_tenant_leaves_it_with_its_key_or_not_at_all() {
    kill_asked(AUTH, &json!({"sign_up": "open"}), 1, |_, name| Asked {
        before: vec![],
        event: Event::new("POST", "/v1/sign-up").body(json!({"tenant": name})),
        again: [201, 409],
    })
    .await;
}

fn key(cloud: &Cloud, name: &str) -> Event {
    call(cloud, "POST", "/v1/keys", &json!({"name": name, "role": "viewer"}))
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_makes_a_key_makes_a_whole_one_or_none() {
    let asked = |cloud: &Cloud, name: &str| Asked { before: vec![], event: key(cloud, name), again: [201, 409] };
    kill_asked(AUTH, &none(), 1, asked).await;
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_revokes_a_key_can_be_asked_again() {
    kill_asked(AUTH, &none(), 1, |cloud, name| Asked {
        before: vec![key(cloud, name)],
        event: Event::new("DELETE", &format!("/v1/keys/{name}")).key(&cloud.key),
        again: [200, 200],
    })
    .await;
}

/// The write is in one database and its record in another. What was written is written once, whatever is recorded of it.
#[tokio::test]
async fn a_function_that_is_killed_while_it_records_a_raw_write_has_made_it_once() {
    let cloud = Cloud::start().await;
    fs::copy(cloud.folder.path().join("flights.sqlite"), cloud.folder.path().join("own.sqlite")).unwrap();
    let own = json!({"name": "own", "connection": {"sqlite": {"path": "own.sqlite"}}, "allow_raw": true,
                     "allow_raw_writes": true});
    cloud.function(REGISTRY).await.call(&call(&cloud, "POST", "/v1/sources", &own)).await.expect(201);
    let raw = |mode, sql: &str| {
        let body = json!({"source": "own", "mode": mode, "sql": sql});
        call(&cloud, "POST", "/v1/execute/raw", &body)
    };
    let writes = at_each_write(async |(write, moment)| {
        let name = format!("k{write}-{moment:?}");
        let before = executions(&cloud).await.len();
        let insert = raw("write", &format!("INSERT INTO airlines (carrier, name) VALUES ('{name}', 'x')"));
        if !kill_at(&cloud, cloud.function(EXECUTE).await, &insert, (write, moment)).await {
            return false;
        }
        let recorded = executions(&cloud).await.len() - before;
        assert_eq!(recorded, usize::from(moment == Moment::After), "{name}");
        let count = raw("read", &format!("SELECT count(*) AS n FROM airlines WHERE carrier = '{name}'"));
        let rows = cloud.function(EXECUTE).await.call(&count).await.expect(200)["rows"].take();
        assert_eq!(rows, json!([[1]]), "{name}");
        true
    });
    assert_eq!(writes.await, 1);
}
