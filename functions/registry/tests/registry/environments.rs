//! Two environments of the function over one store: what one writes is there for the other, though each remembers what
//! it reads for an hour.

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use crate::fixtures::{Call, Registry, query, router, source};

const HOUR: u16 = 3_600;

/// What a call is answered, and the version in it.
async fn answer(
    registry: &Registry,
    environment: &tidegate_registry::RegistryState,
    call: &Call,
) -> (StatusCode, Json) {
    let (status, body) = registry.send(router(environment.clone()), call).await;
    (status, body["version"].clone())
}

#[tokio::test]
async fn a_correct_if_match_is_taken_though_another_environment_wrote_that_version() {
    let registry = Registry::start().await;
    let (one, other) = (registry.state(HOUR), registry.state(HOUR));
    let server = || json!({"name": "desk", "queries": ["late"]});
    for (kind, path, body) in [
        ("/v1/sources", "/v1/sources/shop", source("127.0.0.1", "pw")),
        ("/v1/queries?draft=true", "/v1/queries/late", query("SELECT 1 AS one")),
        ("/v1/servers", "/v1/servers/desk", server()),
    ] {
        let call = Call::new(Method::POST, kind, 0, body.clone());
        assert_eq!(answer(&registry, &one, &call).await.0, StatusCode::CREATED, "{kind}");
        let read = Call::new(Method::GET, path, 0, Json::Null);
        for environment in [&one, &other] {
            assert_eq!(answer(&registry, environment, &read).await, (StatusCode::OK, json!(1)), "{path}");
        }
        let replace = |version| Call::new(Method::PUT, path, version, body.clone());
        assert_eq!(answer(&registry, &other, &replace(1)).await, (StatusCode::OK, json!(2)), "{path}");
        assert_eq!(answer(&registry, &one, &read).await, (StatusCode::OK, json!(2)), "{path}");
        assert_eq!(answer(&registry, &other, &replace(2)).await, (StatusCode::OK, json!(3)), "{path}");
        assert_eq!(answer(&registry, &one, &replace(3)).await, (StatusCode::OK, json!(4)), "{path}");
        assert_eq!(answer(&registry, &other, &replace(3)).await.0, StatusCode::CONFLICT, "{path}");
    }
    for path in ["/v1/servers/desk", "/v1/queries/late", "/v1/sources/shop"] {
        let call = Call::new(Method::DELETE, path, 4, Json::Null);
        assert_eq!(answer(&registry, &other, &call).await.0, StatusCode::NO_CONTENT, "{path}");
        let read = Call::new(Method::GET, path, 0, Json::Null);
        assert_eq!(answer(&registry, &one, &read).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_revisions_that_another_environment_saved_can_be_read_compared_and_discarded() {
    let registry = Registry::start().await;
    let (one, other) = (registry.state(HOUR), registry.state(HOUR));
    let make = Call::new(Method::POST, "/v1/sources", 0, source("127.0.0.1", "pw"));
    assert_eq!(answer(&registry, &one, &make).await.0, StatusCode::CREATED);
    let make = Call::new(Method::POST, "/v1/queries", 0, query("SELECT 1 AS one"));
    assert_eq!(answer(&registry, &one, &make).await.0, StatusCode::CREATED);
    let save = Call::new(Method::PUT, "/v1/queries/late", 1, query("SELECT 2 AS two"));
    assert_eq!(answer(&registry, &other, &save).await.0, StatusCode::OK);

    let diff = Call::new(Method::GET, "/v1/queries/late/diff", 0, Json::Null);
    let (status, body) = registry.send(router(one.clone()), &diff).await;
    assert_eq!((status, &body["from"], &body["to"]), (StatusCode::OK, &json!(1), &json!(2)), "{body}");
    let discard = Call::new(Method::DELETE, "/v1/queries/late/draft", 2, Json::Null);
    // The newest is all that there is of it, which is refused; the version is the right one.
    assert_eq!(registry.send(router(one), &discard).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_cascade_changes_what_another_environment_wrote() {
    let registry = Registry::start().await;
    let (one, other) = (registry.state(HOUR), registry.state(HOUR));
    for (path, body) in [
        ("/v1/sources", source("127.0.0.1", "pw")),
        ("/v1/queries", query("SELECT 1 AS one")),
        ("/v1/servers", json!({"name": "desk", "queries": ["late"]})),
    ] {
        assert_eq!(answer(&registry, &one, &Call::new(Method::POST, path, 0, body)).await.0, StatusCode::CREATED);
    }
    let read = Call::new(Method::GET, "/v1/servers/desk", 0, Json::Null);
    assert_eq!(answer(&registry, &one, &read).await.0, StatusCode::OK);
    let body = json!({"name": "desk", "description": "of the desk", "queries": ["late"]});
    let replace = Call::new(Method::PUT, "/v1/servers/desk", 1, body);
    assert_eq!(answer(&registry, &other, &replace).await.0, StatusCode::OK);
    let delete = Call::new(Method::DELETE, "/v1/sources/shop?cascade=true", 1, Json::Null);
    assert_eq!(answer(&registry, &one, &delete).await.0, StatusCode::NO_CONTENT);
    assert_eq!(answer(&registry, &other, &read).await, (StatusCode::OK, json!(3)));
}
