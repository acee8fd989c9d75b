#![doc = include_str!("../README.md")]

mod builtin;
mod direct;
pub mod endpoint;
mod failure;
mod handler;
mod state;
mod tools;

pub use state::McpState;

tidegate_http::routes!(McpState: endpoint::tenant, endpoint::server);
