#![doc = include_str!("../README.md")]

mod catalog_snapshots;
pub mod inspect;
mod key_rotation;
mod purge;
mod source_health;
mod task;
pub mod tasks;
mod walk;

pub use tasks::Tasks;
