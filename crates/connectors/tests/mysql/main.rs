//! The MySQL connector against a MariaDB and a MySQL server.
#![cfg(feature = "mysql")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure is the test's")]

mod binds;
mod catalog;
mod errors;
mod full_size;
#[path = "../sinks/pairs.rs"]
mod pairs;
mod sessions;
mod source;
mod statements;
mod types;
