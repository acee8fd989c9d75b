#![doc = include_str!("../README.md")]

pub mod catalog;
pub mod explain;
pub mod history;
pub mod reply;
pub mod run;
pub mod state;

pub use state::ExecuteState;

tidegate_http::routes!(ExecuteState:
    run::raw,
    run::query,
    explain::raw,
    explain::query,
    history::list,
    history::get,
    history::rerun,
    catalog::test,
    catalog::schemas,
    catalog::tables,
    catalog::table,
);
