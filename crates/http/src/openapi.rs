//! The OpenAPI document and its page.

use axum::{
    Router,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

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

/// The routes `/openapi.json` and `/docs`. The page loads nothing from another host.
pub fn router(document: &utoipa::openapi::OpenApi) -> Result<Router, serde_json::Error> {
    let json = serde_json::to_string_pretty(document)?;
    Ok(Router::new()
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], json.clone()).into_response()),
        )
        .route("/docs", get(async || Html(include_str!("docs.html")))))
}
