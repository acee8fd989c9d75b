#![doc = include_str!("../README.md")]

pub mod deployment;
#[cfg(feature = "engine")]
mod engine;
pub mod environment;
pub mod events;
pub mod owner;
pub mod platform;
pub mod start;
mod start_once;

pub use environment::Environment;
pub use platform::Platform;
