//! What tasks found of a source, before and after it leads to another database.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use chrono::Utc;
use serde_json::{Value as Json, json};
use tidegate_core::{
    catalog::Schema,
    health::SourceHealth,
    ports::{CatalogSnapshots, SourceHealths},
    snapshot::{CatalogContent, SchemaContent},
};
use tidegate_registry::RegistryState;

use crate::fixtures::{Call, Registry, router, source};

/// Leaves what a task finds that looks at the source at this moment.
async fn look(registry: &Registry, source: &Json, schema: &str) {
    let (id, now) = (source["id"].as_str().unwrap().parse().unwrap(), Utc::now());
    let health = SourceHealth::found(Ok(()), now, Duration::ZERO, None).unwrap();
    registry.local.store.record(registry.tenant, id, &health).await.unwrap();
    let schema = SchemaContent { schema: Schema { name: schema.to_owned(), comment: None }, tables: Vec::new() };
    let content = CatalogContent { is_complete: true, schemas: vec![schema] };
    registry.local.store.keep(registry.tenant, id, &content, now).await.unwrap();
}

/// Whether its health is shown, by itself and in the list, and which schema is shown of it.
async fn shown(registry: &Registry, state: &RegistryState) -> (bool, bool, Json) {
    let get = async |path| registry.send(router(state.clone()), &Call::new(Method::GET, path, 0, Json::Null)).await.1;
    let (one, list) = (get("/v1/sources/shop").await, get("/v1/sources").await);
    let catalog = get("/v1/sources/shop/catalog").await;
    (one["health"].is_object(), list["items"][0]["health"].is_object(), catalog["schemas"][0]["name"].clone())
}

#[tokio::test]
async fn what_was_found_where_a_source_was_before_is_not_shown_of_it() {
    let registry = Registry::start().await;
    let state = registry.state(0);
    let send = async |call: Call| {
        let (status, body) = registry.send(router(state.clone()), &call).await;
        assert!(status.is_success(), "{status} {body}");
        body
    };
    let made = send(Call::new(Method::POST, "/v1/sources", 0, source("127.0.0.1", "pw"))).await;
    assert_eq!(shown(&registry, &state).await, (false, false, Json::Null));
    look(&registry, &made, "here").await;
    assert_eq!(shown(&registry, &state).await, (true, true, json!("here")));

    // Other credentials lead to the same database.
    send(Call::new(Method::PUT, "/v1/sources/shop", 1, source("127.0.0.1", "other"))).await;
    assert_eq!(shown(&registry, &state).await, (true, true, json!("here")));

    send(Call::new(Method::PUT, "/v1/sources/shop", 2, source("127.0.0.2", "pw"))).await;
    assert_eq!(shown(&registry, &state).await, (false, false, Json::Null));
    let catalog = Call::new(Method::GET, "/v1/sources/shop/catalog", 0, Json::Null);
    assert_eq!(registry.send(router(state.clone()), &catalog).await.0, StatusCode::NOT_FOUND);
    look(&registry, &made, "there").await;
    assert_eq!(shown(&registry, &state).await, (true, true, json!("there")));

    // A change of something else keeps them.
    let described = source("127.0.0.2", "pw").as_object().cloned().map(|mut spec| {
        spec.insert("description".to_owned(), json!("the shop"));
        Json::Object(spec)
    });
    send(Call::new(Method::PUT, "/v1/sources/shop", 3, described.unwrap())).await;
    assert_eq!(shown(&registry, &state).await, (true, true, json!("there")));
}
