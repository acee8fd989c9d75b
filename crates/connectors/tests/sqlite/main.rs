//! The SQLite connector against files made by SQLite.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod calls;
mod catalog;
mod example;
mod files;
mod fixture;
mod full_size;
#[path = "../sinks/pairs.rs"]
mod pairs;
mod types;
