#![doc = include_str!("../README.md")]

pub mod keys;
pub mod me;
pub mod state;

use utoipa_axum::{router::OpenApiRouter, routes};

pub use state::AuthState;

/// The routes of this function.
pub fn router(state: AuthState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(me::me))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .with_state(state)
}
