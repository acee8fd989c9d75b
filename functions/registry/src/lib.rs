#![doc = include_str!("../README.md")]

pub mod catalog;
pub mod diff;
pub mod entity;
pub mod queries;
pub mod revisions;
pub mod servers;
pub mod sources;
pub mod state;

use utoipa_axum::{router::OpenApiRouter, routes};

pub use state::RegistryState;

/// The routes of this function.
pub fn router(state: RegistryState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(sources::create, sources::list))
        .routes(routes!(sources::read, sources::replace, sources::delete))
        .routes(routes!(catalog::read))
        .routes(routes!(queries::check))
        .routes(routes!(queries::create, queries::list))
        .routes(routes!(queries::read, queries::replace, queries::delete))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::read))
        .routes(routes!(revisions::diff))
        .routes(routes!(revisions::publish))
        .routes(routes!(revisions::discard))
        .routes(routes!(servers::create, servers::list))
        .routes(routes!(servers::read, servers::replace, servers::delete))
        .with_state(state)
}
