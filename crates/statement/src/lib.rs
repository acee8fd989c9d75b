#![doc = include_str!("../README.md")]

pub mod dialect;
pub mod guard;
pub mod statement;

pub use dialect::Dialect;
pub use guard::Class;
pub use statement::{Bind, Statement};
