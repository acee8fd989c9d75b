//! The OpenAPI document and its page.

use axum::{Router, body::Bytes, http::header, response::Html, routing::get};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// The document of all functions: `docs/reference/openapi.json`, which a test compares with their routes.
pub const PUBLISHED: &str = include_str!("../../../docs/reference/openapi.json");

/// The head of the document; the functions add their routes to it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidegate",
        description = "Databases as governed tools: register sources, write typed queries, run them over HTTP or MCP.",
    ),
    components(schemas(crate::problem::ProblemBody<'static>)),
    modifiers(&Bearer),
    security(("bearer" = [])),
    // Beside this document, whatever paths begin with.
    servers((url = ".")),
)]
pub struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("tg_…")
            .description(Some("an API key"))
            .build();
        document
            .components
            .get_or_insert_default()
            .security_schemes
            .insert("bearer".to_owned(), SecurityScheme::Http(scheme).into());
    }
}

/// The routes `/openapi.json` and `/docs` of a process that has every function. The page loads nothing from another host.
pub fn router(document: &utoipa::openapi::OpenApi) -> Result<Router, serde_json::Error> {
    Ok(serving(serde_json::to_string_pretty(document)?.into()))
}

/// The same routes for a function of its own, which knows the routes of the others by [`PUBLISHED`] alone.
pub fn published() -> Router {
    serving(Bytes::from_static(PUBLISHED.as_bytes()))
}

fn serving(document: Bytes) -> Router {
    Router::new()
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], document.clone())))
        .route("/docs", get(async || Html(include_str!("docs.html"))))
}
