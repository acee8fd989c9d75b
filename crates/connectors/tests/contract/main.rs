//! What every connector promises, whatever its database.
#![cfg(all(feature = "postgres", feature = "mysql", feature = "sqlite"))]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure is the test's")]

mod closing;
mod endings;
mod proxy;
mod source;
