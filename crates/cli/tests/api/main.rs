//! The commands that talk to the API, against a stand-in of it over a real socket.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod declarations;
mod queries;
mod session;
mod stand_in;
