//! What every connector does.

use std::{future::Future, path::PathBuf, sync::Arc};

use serde::Serialize;
use serde_json::Value as Json;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    network::SourceNetworks,
    result::{Column, RowSink},
};
use tidegate_statement::Statement;
use utoipa::ToSchema;

/// What the environment allows connectors.
#[derive(Clone, Debug, Default)]
pub struct ConnectorConfig {
    /// Where relative paths of SQLite files begin. When `sqlite_confined` is set, files outside are refused.
    pub sqlite_root: PathBuf,
    /// Whether SQLite files have to be inside `sqlite_root`, links resolved.
    pub sqlite_confined: bool,
    /// Files of Tidegate itself, and folders of such files. None of them can be a source, whatever name leads there.
    pub sqlite_reserved: Vec<PathBuf>,
    /// Where database servers may be, by the addresses that their host has when a session is opened.
    pub networks: SourceNetworks,
}

/// What a source answers to a test of its connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServerInfo {
    /// The product, as it names itself: `PostgreSQL`, `MariaDB`, `MySQL`, `SQLite`.
    pub product: String,
    /// Its version, as it says it.
    pub version: String,
}

/// One source, with its pool of sessions. Sessions are opened when they are needed first.
///
/// Every method ends by its deadline, with `Timeout`, or a tenth of a second later. Errors say `SourceUnavailable` when the server cannot be reached,
/// `SourceAuthenticationFailed` when it refuses the login, and `DatabaseError` with SQLSTATE and the server's own
/// message for what it says of a statement: a fault of it has its line and column in the text of the statement, and one
/// of a value has the placeholder, counted as `$2`, for its field. No message holds a password.
pub trait Connector: Send + Sync {
    /// Opens a session and asks the server who it is.
    fn test(&self, deadline: Deadline) -> impl Future<Output = Result<ServerInfo>> + Send;

    /// What the login may do beyond reading, a sentence each, with the statement that takes it away. A file has no
    /// logins: its connector locks it by itself.
    fn privilege_warnings(&self, deadline: Deadline) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// The columns of the result of a statement, which is prepared and not run.
    fn describe(&self, statement: &Statement, deadline: Deadline) -> impl Future<Output = Result<Vec<Column>>> + Send;

    /// How the database would run a statement, in its own words: PostgreSQL's and MySQL's plan in JSON, SQLite's as a
    /// tree of `{detail, children}`. The statement does not run, whatever its class.
    fn explain(&self, statement: &Statement, deadline: Deadline) -> impl Future<Output = Result<Json>> + Send;

    /// Runs a statement and streams its rows into the sink, which comes back with what it took, also after an error.
    ///
    /// A statement of class `Read` runs in a transaction that the engine itself keeps from writing. Any other runs in
    /// one that is committed when all of it succeeded and rolled back otherwise. What a session needs to be used again does
    /// not change the outcome. When the answer to a commit does not come, the error says that it may have happened.
    fn run<S: RowSink + 'static>(
        &self,
        statement: Arc<Statement>,
        deadline: Deadline,
        sink: S,
    ) -> impl Future<Output = (S, Result<()>)> + Send;

    /// The schemas a user may look at; the engine's own are left out.
    fn schemas(&self, deadline: Deadline) -> impl Future<Output = Result<Vec<Schema>>> + Send;

    /// The tables and views of a schema, by name. `NotFound` when there is no such schema.
    fn tables(&self, schema: &str, deadline: Deadline) -> impl Future<Output = Result<Vec<Table>>> + Send;

    /// One table with its columns and keys. `NotFound` when there is no such table.
    fn table(&self, schema: &str, table: &str, deadline: Deadline) -> impl Future<Output = Result<TableDetail>> + Send;

    /// Closes every session. Calls under way and later ones fail with `SourceUnavailable`.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// A plan that a server wrote as JSON. `LimitExceeded` when a statement of very many joins nests it too deeply.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn read_plan(text: &[u8]) -> Result<Json> {
    serde_json::from_slice(text).map_err(|error| {
        let message = "the plan of this statement is nested too deeply to be read; join fewer tables";
        tidegate_core::Error::new(tidegate_core::ErrorCode::LimitExceeded, message).with_context(error)
    })
}

#[cfg(all(test, any(feature = "postgres", feature = "mysql")))]
mod tests {
    use tidegate_core::ErrorCode;

    use super::*;

    #[test]
    fn a_plan_that_is_nested_too_deeply_is_an_error_of_its_statement() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        read_plan(nested(100).as_bytes()).unwrap();
        assert_eq!(read_plan(nested(1_000).as_bytes()).unwrap_err().code(), ErrorCode::LimitExceeded);
    }
}
