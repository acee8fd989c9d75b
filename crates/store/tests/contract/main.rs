//! The contracts of the ports, and what holds for the local backend beyond them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "clippy does not see that the functions beside the tests are for tests"
)]

mod cached;
mod crash;
mod executions;
mod faults;
mod fixtures;
mod history;
mod idempotency;
mod local;
mod removal;
mod revisions;
mod scheduled;
mod store;
mod tenants;
mod vault;
