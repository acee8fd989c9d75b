//! The OpenAPI document.

use std::{env, fs, path::Path};

use tests::{
    TestServer,
    lambda::{Cloud, Event},
};

#[tokio::test]
async fn the_document_is_as_it_was_reviewed() {
    let server = TestServer::start().await;
    let served = server.with_key("").get("/openapi.json").await;
    assert_eq!(served.status, 200);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/openapi.json");
    if env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        fs::write(&path, format!("{}\n", served.text)).unwrap();
    }
    let published = fs::read_to_string(path).unwrap();
    let hint = "INSTA_UPDATE=always cargo test -p tests --test openapi writes docs/reference/openapi.json";
    let first = published.lines().zip(served.text.lines()).find(|(published, served)| published != served);
    assert!(published.trim_end() == served.text, "{hint}; the first difference: {first:?}");
}

#[tokio::test]
async fn the_page_loads_nothing_from_another_host() {
    let server = TestServer::start().await;
    let page = server.with_key("").get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("://"), "an address of another host");
}

#[tokio::test]
async fn the_function_that_is_asked_for_it_has_the_document_of_all_functions() {
    let cloud = Cloud::start().await;
    let mut auth = cloud.function(env!("CARGO_BIN_EXE_function-auth")).await;
    for base in ["", "/tidegate"] {
        let document = auth.call(&Event::new("GET", &format!("{base}/openapi.json"))).await.expect(200);
        assert!(document["paths"]["/v1/execute/{query}"].is_object(), "{document:#}");
        assert_eq!(document["servers"][0]["url"], ".");
        let page = auth.call(&Event::new("GET", &format!("{base}/docs"))).await;
        assert!(page.status == 200 && page.text.contains("fetch(\"openapi.json\")"), "{base}");
    }
}
