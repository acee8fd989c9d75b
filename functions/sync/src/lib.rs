#![doc = include_str!("../README.md")]

mod catalog_snapshots;
pub mod inspect;
mod key_rotation;
mod order;
mod purge;
mod source_health;
pub mod tasks;
mod walk;

pub use tasks::Tasks;
