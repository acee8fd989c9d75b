//! What SQLite itself says of a statement.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{
    Connection, Error,
    hooks::{AuthAction, AuthContext, Authorization},
};

thread_local! {
    static ENGINE: Engine = Engine::new();
}

struct Engine {
    connection: Connection,
    /// What the statement under way would do beyond reading.
    deeds: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    fn new() -> Self {
        let connection = Connection::open_in_memory().expect("memory holds a database");
        let tables = "CREATE TABLE t (a, b, c, d); CREATE TABLE accounts (id, owner, balance); CREATE TABLE log (note);
            CREATE TABLE flights (carrier, origin, dest, day); CREATE TABLE airlines (carrier, name);";
        connection.execute_batch(tables).expect("the tables are made");
        let deeds = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&deeds);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if !reads(&context.action) {
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{:?}", context.action));
            }
            Authorization::Allow
        }));
        Self { connection, deeds }
    }
}

fn reads(action: &AuthAction<'_>) -> bool {
    matches!(action, AuthAction::Select | AuthAction::Read { .. } | AuthAction::Function { .. } | AuthAction::Recursive)
}

/// Whether the engine takes a text for a statement over its tables.
pub(crate) fn prepares(text: &str) -> bool {
    ENGINE.with(|engine| engine.connection.prepare(text).is_ok())
}

/// Panics unless the engine refuses the statement, or only reads by it.
pub(crate) fn only_reads(text: &str) {
    ENGINE.with(|engine| {
        let deeds = || std::mem::take(&mut *engine.deeds.lock().unwrap_or_else(PoisonError::into_inner));
        drop(deeds());
        match engine.connection.prepare(text) {
            Ok(prepared) if prepared.is_explain() == 0 => {
                let deeds = deeds();
                assert!(prepared.readonly() && deeds.is_empty(), "SQLite does {deeds:?} by {text:?}");
            }
            Err(Error::MultipleStatement) => panic!("SQLite sees two statements in {text:?}"),
            Ok(_) | Err(_) => {}
        }
    });
}
