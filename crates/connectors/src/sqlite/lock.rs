//! What may a session do? The engine's own means to keep it from more.
//!
//! A reading session is held by four of them: the file is opened read-only, `query_only` is set, the authorizer refuses
//! whatever is not a read while a statement is prepared, and a prepared statement has to say that it only reads.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{
    Connection, OpenFlags,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
};

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It reads.
    Read,
    /// It changes rows too.
    Write,
}

impl Access {
    /// How the file is opened. It is never created. Its path has no link left in it, so none may turn up.
    pub(super) fn flags(self) -> OpenFlags {
        let mode = match self {
            Self::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Self::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
    }
}

/// The largest value and row that any call may ask for, in bytes.
const MAX_LENGTH: usize = 64 << 20;
/// What a value may be longer than the byte budget of its call. Three values of that length, which is what a function
/// takes with its argument, its result and a copy, are within three times the budget and ten megabytes.
const ABOVE_BUDGET: usize = 3 << 20;
/// The most memory of all sessions of the process. What gathers rows, such as `json_group_array`, has no other limit.
const MAX_HEAP: u32 = 256 << 20;
/// The longest statement, in bytes.
const MAX_SQL_LENGTH: i32 = 1 << 20;
/// The longest pattern of `LIKE` and `GLOB`, in bytes: a match may take as many steps as the pattern has bytes, for each
/// byte of the text.
const MAX_PATTERN_LENGTH: i32 = 128;
/// The deepest nesting of an expression.
const MAX_EXPRESSION_DEPTH: i32 = 500;
/// The most instructions of a compiled statement.
const MAX_INSTRUCTIONS: i32 = 1_000_000;

/// Settings of every session. They are made before the authorizer keeps statements from undoing them.
pub(super) fn restrict(connection: &Connection, access: Access) -> rusqlite::Result<()> {
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_LENGTH),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_LENGTH),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, MAX_EXPRESSION_DEPTH),
        (Limit::SQLITE_LIMIT_VDBE_OP, MAX_INSTRUCTIONS),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        // A misspelt "column" has to be an error; SQLite would take it for a text.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(setting, value)?;
    }
    // The file may be hostile: check its pages, and read them instead of mapping them.
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0")?;
    // It is one limit for the process, which this can set and lower, and never raise.
    connection.execute_batch(&format!("PRAGMA hard_heap_limit = {MAX_HEAP}"))?;
    if access == Access::Read {
        connection.execute_batch("PRAGMA query_only = ON")?;
    }
    Ok(())
}

/// Limits the length of values for a call with this byte budget. Larger ones fail before memory is taken for them. Gives
/// back the limit, in bytes.
pub(super) fn limit_length(connection: &Connection, byte_budget: u64) -> rusqlite::Result<usize> {
    let budget = usize::try_from(byte_budget).unwrap_or(usize::MAX);
    let length = budget.saturating_add(ABOVE_BUDGET).min(MAX_LENGTH);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(length).unwrap_or(i32::MAX))?;
    Ok(length)
}

/// Makes SQLite ask, for every statement, whether it may do what it is about to do. What is not listed is refused.
/// `own` is set while the statement is one of Tidegate's.
pub(super) fn authorize(connection: &Connection, access: Access, own: Arc<AtomicBool>) {
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        let allowed = match context.action {
            AuthAction::Transaction { .. } => own.load(Ordering::Relaxed),
            AuthAction::Read { table_name, .. } => own.load(Ordering::Relaxed) || !is_pragma_function(table_name),
            action if reads(&action) => true,
            action => match access {
                Access::Read => prepares_rtree(&action),
                Access::Write => changes_rows(&action),
            },
        };
        if allowed { Authorization::Allow } else { Authorization::Deny }
    }));
}

/// A pragma as a table function takes any bytes as its argument and has them authorized as a name, and the driver
/// panics on a name that is not UTF-8. A `PRAGMA` statement cannot hold such bytes.
fn is_pragma_function(table: &str) -> bool {
    table.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("pragma_"))
}

fn reads(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            !["load_extension", "fts3_tokenizer"].iter().any(|refused| function_name.eq_ignore_ascii_case(refused))
        }
        AuthAction::Pragma { pragma_name, pragma_value } => describes(pragma_name, pragma_value.is_some()),
        _ => false,
    }
}

/// The pragmas that tell about tables, and those that full-text indexes read by themselves.
fn describes(pragma: &str, has_value: bool) -> bool {
    let describing =
        ["foreign_key_list", "index_info", "index_list", "index_xinfo", "table_info", "table_list", "table_xinfo"];
    let bare = ["data_version", "page_size"];
    describing.iter().any(|name| pragma.eq_ignore_ascii_case(name))
        || (!has_value && bare.iter().any(|name| pragma.eq_ignore_ascii_case(name)))
}

fn changes_rows(action: &AuthAction<'_>) -> bool {
    matches!(action, AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. })
}

/// An R-tree prepares the statements that change its three tables as soon as it is read. They never run in a reading
/// session, where the engine would refuse them.
fn prepares_rtree(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => {
            ["_node", "_parent", "_rowid"].iter().any(|suffix| table_name.ends_with(suffix))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
