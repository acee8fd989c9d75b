//! One list of routes, `config/routes.yaml`: the gateway is made of it, and everything else agrees with it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::MetadataCommand;
use serde::Deserialize;
use tests::TestServer;

#[derive(Deserialize)]
struct Route {
    path: String,
    function: String,
    #[serde(default)]
    public: bool,
}

/// It is in the document, and answers callers without a token.
const SIGN_UP: &str = "/v1/sign-up";

fn routes() -> Vec<Route> {
    serde_saphyr::from_str(include_str!("../../config/routes.yaml")).unwrap()
}

#[tokio::test]
async fn the_gateway_has_the_paths_of_the_document_and_those_that_answer_everybody() {
    let document = TestServer::start().await.owner().get("/openapi.json").await.expect(200);
    let documented: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let routes = routes();
    let (public, owned): (Vec<&Route>, Vec<&Route>) = routes.iter().partition(|route| route.public);
    let public: Vec<&str> = public.iter().map(|route| route.path.as_str()).collect();
    assert_eq!(public, ["/health", "/health/ready", "/openapi.json", "/docs", SIGN_UP]);
    let owned = owned.iter().map(|route| route.path.as_str());
    assert_eq!(owned.chain([SIGN_UP]).collect::<BTreeSet<_>>(), documented);
}

#[test]
fn each_path_goes_to_the_function_whose_router_has_it() {
    let documents = [
        ("auth", tidegate_auth::document()),
        ("registry", tidegate_registry::document()),
        ("execute", tidegate_execute::document()),
        ("mcp", tidegate_mcp::document()),
    ];
    let answered: BTreeSet<(&str, &str)> = documents
        .iter()
        .flat_map(|(function, document)| document.paths.paths.keys().map(move |path| (path.as_str(), *function)))
        // Those of no router, which `auth` has when it stands alone.
        .chain(["/health", "/health/ready", "/openapi.json", "/docs"].map(|path| (path, "auth")))
        .collect();
    let routes = routes();
    let routed: BTreeSet<(&str, &str)> =
        routes.iter().map(|route| (route.path.as_str(), route.function.as_str())).collect();
    assert_eq!(routed.symmetric_difference(&answered).collect::<Vec<_>>(), [&("", ""); 0]);
    assert_eq!(routed.len(), routes.len(), "a path is listed twice");
}

#[test]
fn cargo_lambda_serves_the_routes_of_the_gateway() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let watched = &metadata.workspace_metadata["lambda"]["watch"]["router"];
    let watched: BTreeMap<String, String> = serde_json::from_value(watched.clone()).unwrap();
    let mut expected: BTreeMap<String, String> = routes().into_iter().map(|it| (it.path, it.function)).collect();
    expected.insert("/{*path}".to_owned(), "auth".to_owned());
    assert_eq!(watched, expected);
}
