#![doc = include_str!("../README.md")]

pub mod catalog;
pub mod explain;
pub mod history;
pub mod reply;
pub mod run;
pub mod state;

use utoipa_axum::{router::OpenApiRouter, routes};

pub use state::ExecuteState;

/// The routes of this function.
pub fn router(state: ExecuteState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(run::raw))
        .routes(routes!(run::query))
        .routes(routes!(explain::raw))
        .routes(routes!(explain::query))
        .routes(routes!(history::list))
        .routes(routes!(history::get))
        .routes(routes!(history::rerun))
        .routes(routes!(catalog::test))
        .routes(routes!(catalog::schemas))
        .routes(routes!(catalog::tables))
        .routes(routes!(catalog::table))
        .with_state(state)
}
