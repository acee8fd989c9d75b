#![doc = include_str!("../README.md")]

pub mod arguments;
pub mod cursor;
pub mod dialect;
pub mod guard;
pub mod page;
pub mod parameters;
mod place;
pub mod statement;
pub mod template;
mod value;

pub use arguments::Arguments;
pub use cursor::{Binding, CursorKey, KeyValue, Position, Subject};
pub use dialect::Dialect;
pub use guard::{Calls, Class};
pub use page::{Paged, Window};
pub use parameters::Parameters;
pub use statement::{Bind, Statement};
pub use template::{Branch, Template};
