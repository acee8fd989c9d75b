#![doc = include_str!("../README.md")]

mod admission;
mod breaker;
pub mod budget;
pub mod call;
pub mod catalog;
pub mod check;
mod cost;
pub mod encode;
pub mod engine;
pub mod explain;
mod guarded;
pub mod history;
pub mod inspection;
pub mod page;
pub mod pools;
mod recorder;
pub mod resolve;
mod source_span;
pub mod templates;
mod timing;

pub use call::{Answer, RowStream, RunRequest};
pub use engine::{Engine, EngineParts};
