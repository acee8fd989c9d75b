//! How are sessions opened, protected and reset?
//!
//! The pool is our own and not the driver's, for three reasons. The driver's tries a refused connection again until its
//! time is up and then says no more than that time was up; it asks the server whether a session is alive before and
//! after each use, which here BEGIN and ROLLBACK tell anyway; and it has no place for a session's process id, which
//! ending a session needs.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row,
    postgres::{PgConnectOptions, PgSslMode},
};
use tidegate_core::{
    Error, Result,
    deadline::Deadline,
    source::{Credentials, Endpoint, TlsMode},
};
use tidegate_statement::Class;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::error;
use crate::{
    ConnectorConfig,
    bounds::{interrupted, permit},
    host::Host,
};

const PORT: u16 = 5432;
/// Within this time a reachable server has let a client in, TLS and password included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Within this time a live session has answered BEGIN. A session whose connection was cut silently never does.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a session waits for its next use. Gateways forget connections that are idle for longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a connection may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long ending an abandoned session may take, connecting for it included.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(5);
/// What the server's own timeout is earlier by than the deadline, so that its error arrives before the deadline does.
const TIMEOUT_MARGIN: Duration = Duration::from_millis(50);

/// Everything DISCARD ALL resets except prepared statements, which the driver goes on to use. A transaction that was
/// committed may have left any of it behind, if only through a function it called.
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT FROM pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";
/// Undoes all that a transaction changed in its session, settings included. Only locks taken for the session stay.
const ROLLBACK: &str = "ROLLBACK; SELECT FROM pg_advisory_unlock_all()";

/// The driver's options for an endpoint.
fn options(endpoint: &Endpoint, credentials: Option<&Credentials>) -> Result<PgConnectOptions> {
    endpoint.check()?;
    // The constructor reads the environment, so that everything is set which a source may leave out. PGOPTIONS,
    // PGSSLROOTCERT, PGSSLCERT and PGSSLKEY cannot be unset; they are up to whoever runs this process.
    let options = PgConnectOptions::new_without_pgpass()
        .host(&endpoint.host)
        .port(endpoint.port.unwrap_or(PORT))
        .database(&endpoint.database)
        .username(&endpoint.user)
        .password(credentials.map_or("", |credentials| credentials.password.expose_secret()))
        .application_name("tidegate")
        // None of these modes falls back to plain text.
        .ssl_mode(match endpoint.tls.mode {
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::Off => PgSslMode::Disable,
        })
        // Its log of statements would hold the tenant's SQL.
        .disable_statement_logging();
    Ok(match &endpoint.tls.ca {
        Some(ca) => options.ssl_root_cert_from_pem(ca.clone().into_bytes()),
        None => options,
    })
}

/// The sessions of one source.
pub(super) struct Sessions(Arc<Pool>);

struct Pool {
    host: Host,
    options: PgConnectOptions,
    /// Host and port, for messages.
    address: String,
    permits: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

/// Connections that nobody uses, in the order in which their last use ended.
#[derive(Default)]
struct Idle {
    connections: Vec<(Backend, Instant)>,
    /// Whether a task waits to close those that stay idle.
    is_watched: bool,
}

/// A connection, and the server's process that serves it.
struct Backend {
    connection: PgConnection,
    process: i32,
}

impl Sessions {
    /// Nothing is opened yet; only settings are checked.
    pub(super) fn new(
        endpoint: &Endpoint,
        credentials: Option<&Credentials>,
        config: &ConnectorConfig,
    ) -> Result<Self> {
        let options = options(endpoint, credentials)?;
        let permits = usize::try_from(endpoint.max_sessions.max(1)).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Pool {
            host: Host::new(endpoint, options.get_port(), &config.networks),
            address: format!("{}:{}", options.get_host(), options.get_port()),
            options,
            permits: Arc::new(Semaphore::new(permits)),
            idle: Mutex::default(),
        })))
    }

    /// A session in a transaction, which the server itself keeps from writing when the class is `Read`.
    pub(super) async fn begin(&self, class: Class, deadline: Deadline) -> Result<Session> {
        loop {
            let (mut session, was_idle) = self.acquire(class, deadline).await?;
            let patience = if was_idle { LIVENESS_TIMEOUT } else { Duration::MAX };
            match timeout(patience, session.begin()).await {
                Ok(Ok(())) => return Ok(session),
                // An idle connection may have died, and BEGIN changes nothing: another one may try.
                Ok(Err(failure)) if was_idle && error::is_disconnected(&failure) => session.guard.disarm(),
                // Its connection was cut without a word, and so were those that have been idle for longer.
                Err(_) => {
                    session.guard.disarm();
                    drop(mem::take(&mut self.0.idle().connections));
                }
                Ok(Err(failure)) => return Err(error::running(&failure, None)),
            }
        }
    }

    async fn acquire(&self, class: Class, deadline: Deadline) -> Result<(Session, bool)> {
        let pool = &self.0;
        let permit = permit(&pool.permits, deadline).await?;
        let idle = pool.idle().connections.pop();
        let was_idle = idle.is_some();
        let backend = match idle {
            Some((backend, _)) => backend,
            // Boxed, because it is rare and would make every call's future larger.
            None => Box::pin(pool.connect(deadline)).await?,
        };
        let guard = TerminateOnDrop { armed: Some((Arc::clone(pool), permit)), process: backend.process };
        let connection = backend.connection;
        Ok((
            Session {
                connection,
                is_running: false,
                has_read_large_row: false,
                class,
                deadline,
                limit: deadline.instant(),
                is_spoilt: false,
                guard,
            },
            was_idle,
        ))
    }

    /// Closes the idle connections, and lets no other be opened.
    pub(super) async fn close(&self) {
        self.0.permits.close();
        let idle = mem::take(&mut self.0.idle().connections);
        for (backend, _) in idle {
            say_goodbye(backend.connection).await;
        }
    }
}

/// Closes a connection and tells the server, which would otherwise log a lost client.
async fn say_goodbye(connection: PgConnection) {
    // The connection is gone either way.
    let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing that holds the lock can leave the list half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to the server, which is known to be where it may be.
    async fn dial(&self, until: Instant) -> Result<PgConnection> {
        self.host.connect(&self.options, PgConnectOptions::host, until, |failure| self.unopened(&failure)).await
    }

    fn unopened(&self, failure: &sqlx::Error) -> Error {
        let error = match self.host.conceals(failure) {
            true => self.host.unreached(failure),
            false => error::connecting(failure, &self.address),
        };
        error.while_connecting()
    }

    async fn connect(&self, deadline: Deadline) -> Result<Backend> {
        let open = async {
            let until = deadline.instant().min(Instant::now() + CONNECT_TIMEOUT);
            let mut connection = self.dial(until).await?;
            let row = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(&mut connection).await;
            let process = row.and_then(|row| row.try_get(0)).map_err(|failure| self.unopened(&failure))?;
            Ok(Backend { connection, process })
        };
        match timeout(CONNECT_TIMEOUT, open).await {
            Ok(opened) => opened,
            Err(_) => Err(self.unopened(&sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }

    /// Keeps a connection for its next user.
    async fn put_back(self: Arc<Self>, backend: Backend) {
        let refused = {
            let mut idle = self.idle();
            // `close` takes this lock after it closed the semaphore, so that no connection can slip in behind it.
            if self.permits.is_closed() {
                Some(backend)
            } else {
                idle.connections.push((backend, Instant::now()));
                if !mem::replace(&mut idle.is_watched, true) {
                    tokio::spawn(close_what_stays_idle(Arc::downgrade(&self)));
                }
                None
            }
        };
        if let Some(backend) = refused {
            say_goodbye(backend.connection).await;
        }
    }

    /// Ends a process of the server, and with it the session. Cancelling its statement would miss one that is on its way to
    /// the server, since a process that is about to read its next message ignores it. Should this fail, the server's own
    /// statement timeout is left.
    async fn terminate(&self, process: i32) {
        let terminate = async {
            let failed = |failure| error::running(&failure, None);
            let mut connection = self.dial(Instant::now() + TERMINATE_TIMEOUT).await?;
            let terminate = sqlx::query("SELECT pg_terminate_backend($1)").bind(process);
            terminate.execute(&mut connection).await.map_err(failed)?;
            connection.close().await.map_err(failed)
        };
        match timeout(TERMINATE_TIMEOUT, terminate).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(address = self.address, ?error, "an abandoned session was not ended"),
            Err(_) => tracing::debug!(address = self.address, "ending an abandoned session took too long"),
        }
    }
}

/// Closes idle connections as their time comes. It ends with the last one, or with the pool.
async fn close_what_stays_idle(pool: Weak<Pool>) {
    loop {
        let (expired, next) = {
            let Some(pool) = pool.upgrade() else { return };
            let mut idle = pool.idle();
            let expired = idle.connections.partition_point(|(_, since)| since.elapsed() >= IDLE_TIMEOUT);
            let expired: Vec<_> = idle.connections.drain(..expired).collect();
            let next = idle.connections.first().map(|(_, since)| *since + IDLE_TIMEOUT);
            idle.is_watched = next.is_some();
            (expired, next)
        };
        for (backend, _) in expired {
            say_goodbye(backend.connection).await;
        }
        let Some(next) = next else { return };
        tokio::time::sleep_until(next.into()).await;
    }
}

/// A connection in a transaction, for one call. It goes back to the pool through [`Session::reset`] or
/// [`Session::roll_back`] only. When it is dropped, it is ended on the server with what it still runs.
pub(super) struct Session {
    /// The connection. It is closed first, and then the guard acts.
    pub(super) connection: PgConnection,
    /// Whether rows of a statement are still to be read. Such a session is dropped rather than rolled back, which
    /// would have to read them all.
    pub(super) is_running: bool,
    /// Whether the driver's buffers have grown by a large row.
    pub(super) has_read_large_row: bool,
    class: Class,
    deadline: Deadline,
    /// Before then the server's own timeout cannot have stopped a statement.
    limit: Instant,
    is_spoilt: bool,
    guard: TerminateOnDrop,
}

/// Ends a process of the server, and lets another connection take its place only after that.
struct TerminateOnDrop {
    armed: Option<(Arc<Pool>, OwnedSemaphorePermit)>,
    process: i32,
}

impl TerminateOnDrop {
    fn disarm(&mut self) {
        self.armed = None;
    }
}

impl Drop for TerminateOnDrop {
    fn drop(&mut self) {
        if let (Some((pool, permit)), Ok(runtime)) = (self.armed.take(), Handle::try_current()) {
            let process = self.process;
            runtime.spawn(async move {
                pool.terminate(process).await;
                drop(permit);
            });
        }
    }
}

impl Session {
    /// Begins the transaction and hands the deadline to the server, in one round trip. The text has nothing of a
    /// user's in it, since the simple protocol would run more than one statement of it.
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        let now = Instant::now();
        let remaining = self.deadline.remaining(now);
        let limit = remaining.saturating_sub(TIMEOUT_MARGIN.min(remaining / 10));
        // The server has a clock of its own.
        self.limit = now + limit - limit / 10;
        let limit = limit.as_millis().max(1);
        let mode = if self.class == Class::Read { " READ ONLY" } else { "" };
        // Without standard strings, which a role's settings may turn off, a backslash would escape a quote, and the server
        // would read another statement than the guard did.
        // The second timeout is for a process that is frozen in the middle of a call, as a Lambda function may be.
        let begin = format!(
            "BEGIN{mode}; SET LOCAL standard_conforming_strings = on; SET LOCAL statement_timeout = {limit}; \
             SET LOCAL idle_in_transaction_session_timeout = {limit}"
        );
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut self.connection).await.map(drop)
    }

    /// Begins the transaction anew after a statement of it failed.
    pub(super) async fn restart(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(ROLLBACK).execute(&mut self.connection).await?;
        self.begin().await
    }

    /// Makes the connection one that is closed after its use.
    pub(super) fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    /// The error of a statement of this session. One that was cancelled has run out of time, unless that was not over yet.
    pub(super) fn judge(&self, error: Error) -> Error {
        match error::is_cancellation(&error) && Instant::now() < self.limit {
            true => interrupted(error),
            false => error,
        }
    }

    /// Commits. The session is of no more use when that fails.
    pub(super) async fn commit(&mut self) -> Result<()> {
        let committed = sqlx::raw_sql("COMMIT").execute(&mut self.connection).await;
        committed.map(drop).map_err(|failure| error::running(&failure, None))
    }

    /// Resets the session for its next user, after its transaction was committed.
    pub(super) async fn reset(mut self) {
        // A statement that writes may have called functions that change the session. What changes more than rows may
        // even have changed what the driver believes about it.
        if self.class > Class::Write || sqlx::raw_sql(RESET).execute(&mut self.connection).await.is_err() {
            self.spoil();
        }
        self.put_back().await;
    }

    /// Undoes everything the transaction did, changed settings of the session included.
    ///
    /// It waits for the server's word: a session that went back before might still be in the transaction of the call
    /// before, whose settings the next caller would then read under.
    pub(super) async fn roll_back(mut self) {
        if self.class > Class::Write || sqlx::raw_sql(ROLLBACK).execute(&mut self.connection).await.is_err() {
            self.spoil();
        }
        self.put_back().await;
    }

    async fn put_back(self) {
        let Self { connection, mut guard, is_spoilt, .. } = self;
        let Some((pool, permit)) = guard.armed.take() else { return };
        if is_spoilt {
            say_goodbye(connection).await;
        } else {
            pool.put_back(Backend { connection, process: guard.process }).await;
        }
        drop(permit);
    }
}
