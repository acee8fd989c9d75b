//! The OpenAPI document.

use tests::TestServer;

#[tokio::test]
async fn the_document_is_as_it_was_reviewed() {
    let server = TestServer::start().await;
    let document = server.with_key("").get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    insta::assert_snapshot!(format!("{:#}", document));
}

#[tokio::test]
async fn the_page_loads_nothing_from_another_host() {
    let server = TestServer::start().await;
    let page = server.with_key("").get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("://"), "an address of another host");
}
