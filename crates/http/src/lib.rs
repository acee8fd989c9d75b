#![doc = include_str!("../README.md")]

pub mod api_key;
mod caller_address;
pub mod edge;
pub mod gateway;
pub mod health;
pub mod idempotency;
pub mod json;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod list;
pub mod openapi;
pub mod own_hosts;
pub mod principal;
pub mod problem;
pub mod request_id;
mod request_span;
pub mod request_timeout;
mod routes;
pub mod serve;
pub mod telemetry;
pub mod version;

pub use caller_address::CallerAddress;
pub use idempotency::{Created, IdempotentBody};
pub use json::JsonBody;
pub use principal::{Authenticator, Caller, VerifiedClaims};
pub use problem::Problem;
pub use request_timeout::{PlatformDeadline, RequestTimeout};
