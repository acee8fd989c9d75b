#![doc = include_str!("../README.md")]

pub mod deployment;
#[cfg(feature = "engine")]
mod engine;
pub mod environment;
pub mod events;
pub mod platform;
pub mod start;

pub use environment::Environment;
pub use platform::Platform;
