#![doc = include_str!("../README.md")]

pub mod catalog;
pub mod diff;
pub mod entity;
pub mod queries;
pub mod revisions;
pub mod servers;
pub mod sources;
pub mod state;

pub use state::RegistryState;

tidegate_http::routes!(RegistryState:
    sources::create,
    sources::list,
    sources::read,
    sources::replace,
    sources::delete,
    catalog::read,
    queries::check,
    queries::create,
    queries::list,
    queries::read,
    queries::replace,
    queries::delete,
    revisions::list,
    revisions::read,
    revisions::diff,
    revisions::publish,
    revisions::discard,
    servers::create,
    servers::list,
    servers::read,
    servers::replace,
    servers::delete,
);
