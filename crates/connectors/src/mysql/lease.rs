//! How a session in use is ended, given back or given up.

use std::{sync::Arc, time::Instant};

use sqlx::mysql::MySqlConnection;
use tidegate_core::{Error, Result};
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};

use super::{
    connect::{Session, Sessions},
    error,
};
use crate::bounds::interrupted;

/// A session in use. Unless it is ended in good order it is closed when it is dropped, never given back; and if its
/// statement may be running still, the server is told to stop.
pub(super) struct Lease {
    // Dropped first: the connection is closed before anything else is done about it.
    session: Session,
    guard: Guard,
}

struct Guard {
    sessions: Arc<Sessions>,
    id: u64,
    state: State,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A statement may be running, or its answer may be unread.
    Running,
    /// The last answer was read to its end.
    Settled,
    /// The connection is of no more use, and has no statement to stop.
    Broken,
}

impl Lease {
    pub(super) fn new(session: Session, sessions: Arc<Sessions>, permit: OwnedSemaphorePermit) -> Self {
        let guard = Guard { sessions, id: session.id, state: State::Running, permit: Some(permit) };
        Self { session, guard }
    }

    /// The connection, to send something on: from here on the session is busy until [`Lease::settle`].
    pub(super) fn connection(&mut self) -> &mut MySqlConnection {
        self.guard.state = State::Running;
        &mut self.session.connection
    }

    /// The product's name, and its version as it says it.
    pub(super) fn server(&self) -> (&'static str, &str) {
        self.session.server()
    }

    /// The last answer was read to its end.
    pub(super) fn settle(&mut self) {
        self.guard.state = State::Settled;
    }

    /// The error of a statement. An error that the server sent ends an answer; any other leaves the connection unusable.
    pub(super) fn fail(&mut self, error: sqlx::Error) -> Error {
        self.guard.state = match error {
            sqlx::Error::Database(_) => State::Settled,
            sqlx::Error::Io(_) => State::Broken,
            _ => State::Running,
        };
        let is_early = error::is_interruption(&error) && Instant::now() < self.session.limit;
        let error = error::of_statement(error, self.guard.sessions.address());
        if is_early { interrupted(error) } else { error }
    }

    /// Commits the transaction.
    pub(super) async fn commit(&mut self) -> Result<()> {
        self.end_transaction("COMMIT").await
    }

    /// Ends the transaction, if it was not committed without its changes, and gives the session back if it can still be
    /// used. A function or a trigger may have taken locks by name, which would stay with the session.
    pub(super) async fn give_back(mut self) {
        if !self.session.can_release_locks() {
            return self.retire().await;
        }
        if self.guard.state == State::Settled && self.end_transaction("ROLLBACK; DO RELEASE_ALL_LOCKS()").await.is_ok()
        {
            let Self { session, guard } = self;
            guard.sessions.take_back(session).await;
        }
    }

    /// Closes the session in good order: its statement may have changed it in ways that the next user would notice.
    pub(super) async fn retire(self) {
        let Self { session, guard } = self;
        if guard.state == State::Settled {
            session.close().await;
        }
    }

    async fn end_transaction(&mut self, statement: &'static str) -> Result<()> {
        match sqlx::raw_sql(statement).execute(self.connection()).await {
            Ok(_) => {
                self.settle();
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.state != State::Running {
            return;
        }
        // Without a runtime the process is ending, and the server notices that the connection is closed.
        let Ok(runtime) = Handle::try_current() else { return };
        let (sessions, id, permit) = (Arc::clone(&self.sessions), self.id, self.permit.take());
        runtime.spawn(async move {
            sessions.kill(id).await;
            // Until here the session counts: the server may still be busy with it.
            drop(permit);
        });
    }
}
