#![doc = include_str!("../README.md")]

pub mod budget;
pub mod call;
pub mod catalog;
pub mod check;
pub mod encode;
pub mod engine;
pub mod page;
pub mod pools;
pub mod resolve;
pub mod templates;

pub use call::{Answer, RowStream, RunRequest};
pub use engine::{Engine, EngineParts};
