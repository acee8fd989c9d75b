//! The SQLite connector against files made by SQLite.
#![cfg(feature = "sqlite")]

mod calls;
mod catalog;
mod example;
mod files;
mod fixture;
mod types;
