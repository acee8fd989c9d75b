//! How are sessions opened, protected and reset?
//!
//! SQLite has no server to cancel a statement on: a session is an open file, used by one blocking thread at a time, and
//! the progress handler stops a statement when its call is over. SQLite asks it only where a statement jumps. So no
//! function may take long, which `functions.rs` sees to, and a statement that applies hundreds of them to long values in
//! one row goes on until that row is done. Its call ends at the deadline, and its session is free a little later.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use rusqlite::{Connection, types::ValueRef};
use tidegate_core::{ErrorCode, Result, deadline::Deadline, source::SqliteFile};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    call::Call,
    error, functions,
    location::{FileId, Location},
    lock::{self, Access},
};
use crate::{
    ConnectorConfig,
    bounds::{self, Closing, closed},
};

/// The statements that a session keeps prepared.
const PREPARED_STATEMENTS: usize = 64;

/// The virtual machine's instructions between two looks at the clock: a few microseconds, unless they are long.
const INSTRUCTIONS_PER_CHECK: i32 = 100;

/// The sessions of one file.
pub(super) struct Pool {
    location: Location,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
    closing: Arc<Closing>,
}

impl Pool {
    pub(super) fn new(file: &SqliteFile, config: &ConnectorConfig) -> Result<Self> {
        Ok(Self {
            location: Location::new(file, config)?,
            permits: Arc::new(Semaphore::new(file.max_sessions.clamp(1, 100) as usize)),
            idle: Mutex::new(Vec::new()),
            closing: Arc::default(),
        })
    }

    /// A new call on this pool.
    pub(super) fn call(&self, deadline: Deadline) -> Arc<Call> {
        Call::new(deadline, Arc::clone(&self.closing))
    }

    /// Whether it was closed.
    pub(super) fn closing(&self) -> &Closing {
        &self.closing
    }

    /// The right to use one session; waits until the deadline.
    pub(super) async fn permit(&self, deadline: Deadline) -> Result<OwnedSemaphorePermit> {
        bounds::permit(&self.permits, deadline).await
    }

    /// Does some work on a session, from a thread that may block and holds a permit.
    pub(super) fn with_session<T>(
        &self,
        access: Access,
        call: &Arc<Call>,
        work: impl FnOnce(&Session) -> Result<T>,
    ) -> Result<T> {
        call.check()?;
        let session = self.session(access, call)?;
        session.begin_call(call)?;
        let result = work(&session);
        session.end_call();
        // What the file's state made fail is tried on a fresh session next time.
        let failed_file = matches!(&result, Err(error) if error.code() == ErrorCode::SourceUnavailable);
        if !failed_file && session.connection.is_autocommit() {
            self.put_back(session);
        }
        result.map_err(|error| if self.closing.has_begun() { closed() } else { error })
    }

    fn put_back(&self, session: Session) {
        let mut idle = self.idle();
        // `close` takes this lock after it said so, so that no session can slip in behind it.
        if !self.closing.has_begun() {
            idle.push(session);
        }
    }

    /// Closes the idle sessions and makes those in use stop.
    pub(super) fn close(&self) {
        self.closing.begin();
        self.permits.close();
        self.idle().clear();
    }

    /// An idle session if the file on disk is still the one it opened, a fresh one otherwise.
    fn session(&self, access: Access, call: &Arc<Call>) -> Result<Session> {
        let current = self.location.current();
        let (found, surplus) = {
            let mut idle = self.idle();
            idle.retain(|session| current.as_ref().is_ok_and(|current| *current == session.file));
            match idle.iter().rposition(|session| session.access == access) {
                Some(index) => (Some(idle.swap_remove(index)), Vec::new()),
                // Sessions for the other access make room for a fresh one.
                None => {
                    let room = self.permits.available_permits().min(idle.len());
                    (None, idle.split_off(room))
                }
            }
        };
        drop(surplus);
        match (found, current) {
            (Some(session), _) => Ok(session),
            (None, Ok(_)) => Session::open(&self.location, access, call),
            (None, Err(error)) => Err(error),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open connection.
pub(super) struct Session {
    connection: Connection,
    access: Access,
    file: FileId,
    /// The call it works for; none while what it does must not be stopped.
    call: Arc<Mutex<Option<Arc<Call>>>>,
    /// Set while it runs statements of its own.
    own: Arc<AtomicBool>,
    /// The limit of values, in bytes.
    max_length: Arc<AtomicUsize>,
}

impl Session {
    fn open(location: &Location, access: Access, call: &Arc<Call>) -> Result<Self> {
        let (path, file) = location.resolve()?;
        Self::connect(&path, file, access, call).map_err(|failure| error::opening(failure, location))?.checked(location)
    }

    fn connect(path: &Path, file: FileId, access: Access, call: &Arc<Call>) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, access.flags())?;
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        let slot = Arc::new(Mutex::new(None::<Arc<Call>>));
        let watched = Arc::clone(&slot);
        connection.progress_handler(
            INSTRUCTIONS_PER_CHECK,
            Some(move || lock(&watched).as_ref().is_some_and(|call| call.is_over())),
        );
        let own = Arc::new(AtomicBool::new(false));
        let session = Self { connection, access, file, call: slot, own, max_length: Arc::default() };
        session.watch(call)?;
        session.limit_length(0)?;
        lock::restrict(&session.connection, access)?;
        functions::replace(&session.connection, Arc::clone(&session.max_length))?;
        Ok(session)
    }

    /// Reads the schema once, without which it is unknown whether the file is a database at all.
    ///
    /// The driver panics on names that are not UTF-8, so a file with such names is not served. The authorizer is set
    /// last, for it is given names too.
    fn checked(self, location: &Location) -> Result<Self> {
        let readable = names_are_utf8(&self.connection).map_err(|failure| error::opening(failure, location))?;
        if !readable {
            return Err(location.unavailable("has names of tables or columns that are not UTF-8"));
        }
        let write_protected =
            self.connection.is_readonly(rusqlite::MAIN_DB).map_err(|failure| error::opening(failure, location))?;
        if self.access == Access::Write && write_protected {
            return Err(location.unavailable("is write-protected: change the permissions of the file"));
        }
        lock::authorize(&self.connection, self.access, Arc::clone(&self.own));
        Ok(self)
    }

    /// The driver's connection.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What it is for.
    pub(super) fn access(&self) -> Access {
        self.access
    }

    fn begin_call(&self, call: &Arc<Call>) -> Result<()> {
        self.limit_length(0).and_then(|()| self.watch(call)).map_err(error::running)
    }

    /// Lets values be as long as the byte budget of its call allows.
    pub(super) fn limit_length(&self, byte_budget: u64) -> rusqlite::Result<()> {
        let length = lock::limit_length(&self.connection, byte_budget)?;
        self.max_length.store(length, Ordering::Relaxed);
        Ok(())
    }

    fn watch(&self, call: &Arc<Call>) -> rusqlite::Result<()> {
        *lock(&self.call) = Some(Arc::clone(call));
        self.wait_for_locks(call)
    }

    fn wait_for_locks(&self, call: &Call) -> rusqlite::Result<()> {
        self.connection.busy_timeout(call.deadline().remaining(Instant::now()))
    }

    fn end_call(&self) {
        *lock(&self.call) = None;
    }

    /// Takes the right to write, waiting for other writers until the deadline.
    pub(super) fn begin(&self) -> Result<()> {
        self.own(|connection| connection.execute_batch("BEGIN IMMEDIATE"))
    }

    /// Commits, waiting for readers until the deadline. From here on the call cannot be stopped: it has happened or it
    /// has not.
    pub(super) fn commit(&self, call: &Call) -> Result<()> {
        self.end_call();
        self.wait_for_locks(call).map_err(error::running)?;
        self.own(|connection| connection.execute_batch("COMMIT")).inspect_err(|_| self.rollback())
    }

    /// Rolls back. A session that could not is not used again.
    pub(super) fn rollback(&self) {
        self.end_call();
        if !self.connection.is_autocommit()
            && let Err(error) = self.own(|connection| connection.execute_batch("ROLLBACK"))
        {
            tracing::warn!(?error, "a sqlite transaction could not be rolled back; its session is closed");
        }
    }

    /// Runs statements of Tidegate's own, which may do more than a caller's. They must not be kept prepared: a caller's
    /// text would find them.
    pub(super) fn own<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.own.store(true, Ordering::Relaxed);
        let result = work(&self.connection);
        self.own.store(false, Ordering::Relaxed);
        result.map_err(error::running)
    }
}

fn lock(call: &Mutex<Option<Arc<Call>>>) -> MutexGuard<'_, Option<Arc<Call>>> {
    call.lock().unwrap_or_else(PoisonError::into_inner)
}

fn names_are_utf8(connection: &Connection) -> rusqlite::Result<bool> {
    let mut schema = connection.prepare("SELECT name, tbl_name, sql FROM sqlite_schema")?;
    let mut rows = schema.raw_query();
    while let Some(row) = rows.next()? {
        for column in 0..3 {
            if let ValueRef::Text(text) = row.get_ref(column)?
                && std::str::from_utf8(text).is_err()
            {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_session_that_is_given_back_to_a_closed_source_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("t")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let config = ConnectorConfig { sqlite_root: folder.path().to_owned(), ..ConnectorConfig::default() };
        let pool = Pool::new(&SqliteFile { path: "t".into(), max_sessions: 1 }, &config).unwrap();
        let call = pool.call(Deadline::after(Instant::now(), Duration::from_secs(20)));
        pool.with_session(Access::Read, &call, |_| Ok(())).unwrap();
        assert_eq!(pool.idle().len(), 1);
        pool.with_session(Access::Read, &call, |_| {
            pool.close();
            Ok(())
        })
        .unwrap();
        assert!(pool.idle().is_empty());
    }
}
