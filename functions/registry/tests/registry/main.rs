//! The routes of the registry, over a store of their own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not see that the functions beside the tests are for tests"
)]

mod connections;
mod environments;
mod fixtures;
mod interrupted;
