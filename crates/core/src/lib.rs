#![doc = include_str!("../README.md")]

pub mod api_key;
pub mod budget;
pub mod catalog;
pub mod cost;
pub mod deadline;
pub mod error;
pub mod execution;
pub mod health;
pub mod id;
pub mod idempotency;
pub mod memory;
pub mod name;
pub mod network;
pub mod parameter;
pub mod policy;
pub mod ports;
pub mod principal;
pub mod query;
pub mod quota;
pub mod result;
pub mod rotation;
pub mod server;
pub mod snapshot;
pub mod source;
pub mod task;
pub mod tenant;
pub mod token;
pub mod trace;
pub mod value;

pub use error::{Error, ErrorCode, Result};
pub use name::Name;
