#![doc = include_str!("../README.md")]

pub mod any;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod bounds;
pub mod connector;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod harmless;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod host;

#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use any::AnyConnector;
pub use connector::{Connector, ConnectorConfig, ServerInfo};
