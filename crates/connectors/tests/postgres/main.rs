//! The connector against a real PostgreSQL server.

#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod binds;
mod catalog;
mod failures;
mod fixture;
mod full_size;
#[path = "../sinks/pairs.rs"]
mod pairs;
mod tls;
mod transactions;
mod types;
