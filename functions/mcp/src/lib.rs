#![doc = include_str!("../README.md")]

mod builtin;
mod direct;
pub mod endpoint;
mod failure;
mod handler;
mod state;
mod tools;

use utoipa_axum::{router::OpenApiRouter, routes};

pub use state::McpState;

/// The routes of this function.
pub fn router(state: McpState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(endpoint::tenant)).routes(routes!(endpoint::server)).with_state(state)
}
