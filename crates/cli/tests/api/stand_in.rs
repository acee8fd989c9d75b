//! A stand-in for the API: lists in memory behind a real socket, and a record of what was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value as Json, json};
use tokio::{net::TcpListener, runtime::Runtime};

pub(crate) const KEY: &str = "test-key";

/// The most items of a page, small so that lists have several.
const PAGE: usize = 2;

#[derive(Default)]
struct Shared {
    entities: Vec<(String, Map<String, Json>)>,
    changes: Vec<(String, Json)>,
    refusal: Option<(String, Json)>,
    /// What the answer to the next creation says more.
    more: Option<Json>,
    /// How many of each there may be.
    quotas: Map<String, Json>,
}

pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    /// Dropping it ends the server.
    _runtime: Runtime,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        runtime.spawn(async { axum::serve(listener, router).await });
        Self { address, shared, _runtime: runtime }
    }

    /// The requests that changed something, with their bodies, since the last call.
    pub(crate) fn changes(&self) -> Vec<(String, Json)> {
        std::mem::take(&mut self.shared.lock().unwrap().changes)
    }

    /// The same without the bodies.
    pub(crate) fn changed(&self) -> Vec<String> {
        self.changes().into_iter().map(|(request, _)| request).collect()
    }

    /// What it has under a name.
    pub(crate) fn entity(&self, list: &str, name: &str) -> Option<Map<String, Json>> {
        let shared = self.shared.lock().unwrap();
        shared.entities.iter().find(|(in_list, entity)| in_list == list && entity["name"] == name).map(|e| e.1.clone())
    }

    /// Puts an entity there, as somebody else would.
    pub(crate) fn put(&self, list: &str, entity: Json) {
        let Json::Object(entity) = entity else { panic!("an object") };
        self.shared.lock().unwrap().entities.push((list.to_owned(), stored(entity, 1)));
    }

    /// Says more of the next entity that is made.
    pub(crate) fn warn(&self, more: Json) {
        self.shared.lock().unwrap().more = Some(more);
    }

    /// Says that there may be so many of a kind. It does not hold anybody to it.
    pub(crate) fn limit(&self, list: &str, most: usize) {
        self.shared.lock().unwrap().quotas.insert(list.to_owned(), json!(most));
    }

    /// Refuses the next request of this method and path with a problem.
    pub(crate) fn refuse(&self, request: &str, problem: Json) {
        self.shared.lock().unwrap().refusal = Some((request.to_owned(), problem));
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    if parts.headers.get("authorization").is_none_or(|value| value != &format!("Bearer {KEY}")) {
        return problem(401, "unauthenticated", "this API key is unknown or revoked");
    }
    let request = format!("{} {}", parts.method, parts.uri.path());
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(2).collect();
    let mut shared = shared.lock().unwrap();
    if let Some((_, refusal)) = shared.refusal.take_if(|(refused, _)| *refused == request) {
        let status = u16::try_from(refusal["status"].as_u64().unwrap()).unwrap();
        return answer_json(status, &refusal);
    }
    if parts.method != "GET" && segments[0] != "execute" {
        shared.changes.push((request, serde_json::from_slice(&body).unwrap_or_default()));
    }
    match (parts.method.as_str(), segments.as_slice()) {
        ("POST", ["execute", query]) => execute(query, &body),
        ("GET", ["me"]) => answer_json(200, &json!({"quotas": shared.quotas})),
        ("GET", [list]) => shared.list(list, parts.uri.query().unwrap_or_default()),
        ("POST", [list]) => shared.create(list, &body),
        ("GET", [list, name]) => match shared.position(list, name) {
            Some(at) => answer_json(200, &Json::Object(shared.entities[at].1.clone())),
            None => problem(404, "not_found", &format!("there is no {list} `{name}`")),
        },
        ("POST", [list, name, "publish"]) => shared.publish(list, name, &parts.headers),
        ("PUT", [list, name]) => shared.replace(list, name, &parts.headers, &body),
        ("DELETE", [list, name]) => shared.delete(list, name, &parts.headers),
        _ => problem(404, "not_found", "there is no such path"),
    }
}

impl Shared {
    fn position(&self, list: &str, name: &str) -> Option<usize> {
        self.entities.iter().position(|(in_list, entity)| in_list == list && entity["name"] == name)
    }

    fn list(&self, list: &str, query: &str) -> Response {
        let first: usize =
            query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).map_or(0, |cursor| cursor.parse().unwrap());
        let all: Vec<_> = self.entities.iter().filter(|(in_list, _)| in_list == list).map(|(_, e)| e).collect();
        let items: Vec<_> = all.iter().skip(first).take(PAGE).collect();
        let next = (first + PAGE < all.len()).then(|| (first + PAGE).to_string());
        answer_json(200, &json!({ "items": items, "next_cursor": next }))
    }

    fn create(&mut self, list: &str, body: &Bytes) -> Response {
        let mut entity: Map<String, Json> = serde_json::from_slice(body).unwrap();
        if list == "keys" {
            entity.insert("key".into(), json!("tg_shown_once"));
            entity.insert("revoked_at".into(), Json::Null);
        }
        let stored = stored(entity, 1);
        let more = self.more.take().and_then(|more| more.as_object().cloned());
        let said = stored.clone().into_iter().chain(more.unwrap_or_default()).collect();
        let answer = answer_json(201, &Json::Object(said));
        self.entities.push((list.to_owned(), stored));
        answer
    }

    fn replace(&mut self, list: &str, name: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        let Some(at) = self.position(list, name) else { return problem(404, "not_found", "it is gone") };
        let current = self.entities[at].1.clone();
        let version = current["version"].as_u64().unwrap();
        if !matches(headers, version) {
            return problem(409, "version_conflict", "it was changed since");
        }
        let mut entity = stored(serde_json::from_slice(body).unwrap(), version + 1);
        // As the real one: stored credentials are kept while the connection stays.
        if entity.get("connection") == current.get("connection") && current.get("has_credentials") == Some(&json!(true))
        {
            entity.insert("has_credentials".into(), json!(true));
        }
        self.entities[at].1 = entity.clone();
        answer_json(200, &Json::Object(entity))
    }

    fn publish(&mut self, list: &str, name: &str, headers: &HeaderMap) -> Response {
        let Some(at) = self.position(list, name) else { return problem(404, "not_found", "it is gone") };
        let query = &mut self.entities[at].1;
        let version = query["version"].as_u64().unwrap();
        if !matches(headers, version) {
            return problem(409, "version_conflict", "it was changed since");
        }
        let draft = query.remove("draft").unwrap();
        query.extend(draft.as_object().unwrap().clone());
        query.insert("version".into(), json!(version + 1));
        answer_json(200, &Json::Object(query.clone()))
    }

    fn delete(&mut self, list: &str, name: &str, headers: &HeaderMap) -> Response {
        let Some(at) = self.position(list, name) else { return problem(404, "not_found", "it is gone") };
        let version = self.entities[at].1["version"].as_u64().unwrap();
        if list != "keys" && !matches(headers, version) {
            return problem(409, "version_conflict", "it was changed since");
        }
        self.entities.remove(at);
        StatusCode::NO_CONTENT.into_response()
    }
}

fn matches(headers: &HeaderMap, version: u64) -> bool {
    headers.get("if-match").is_some_and(|value| value == &format!("\"{version}\""))
}

fn stored(mut entity: Map<String, Json>, version: u64) -> Map<String, Json> {
    if let Some(connection) = entity.get("connection").and_then(Json::as_object) {
        let kind = connection.keys().next().cloned();
        let has_credentials = entity.remove("credentials").is_some();
        entity.insert("kind".into(), json!(kind));
        entity.insert("has_credentials".into(), json!(has_credentials));
    }
    if entity.contains_key("statement") {
        entity.insert("columns".into(), Json::Null);
        entity.insert("proof".into(), json!("described"));
    }
    entity.insert("id".into(), json!("0198c5f2-0000-7000-8000-000000000000"));
    entity.insert("version".into(), json!(version));
    entity
}

/// Two pages that say what they were asked.
fn execute(query: &str, body: &Bytes) -> Response {
    let body: Json = serde_json::from_slice(body).unwrap();
    let is_first = body["cursor"].is_null();
    let cell = if is_first { body["arguments"].to_string() } else { "the second page".to_owned() };
    answer_json(
        200,
        &json!({
            "columns": [{"name": "query", "type": "string"}, {"name": "said", "type": "string"}],
            "rows": [[query, cell]],
            "row_count": 1,
            "truncated": is_first.then_some("rows"),
            "next_cursor": is_first.then_some("page-2"),
            "elapsed_ms": 1.5,
        }),
    )
}

fn problem(status: u16, code: &str, detail: &str) -> Response {
    let body = json!({"type": "about:blank", "title": "", "status": status, "code": code, "detail": detail,
                      "request_id": "0198c5f2-aaaa-7000-8000-000000000000"});
    answer_json(status, &body)
}

fn answer_json(status: u16, body: &Json) -> Response {
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}
