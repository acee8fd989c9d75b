//! How sessions are opened, protected and bounded.
//!
//! The driver's own pool is not used: it knows nothing of a session but its connection, while the product and the id of
//! each are needed here; and it goes on trying a server that refuses connections until the time is over, and then says
//! that the pool timed out.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row,
    mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode},
};
use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    source::{Credentials, Endpoint, TlsMode},
};
use tokio::{
    sync::Semaphore,
    time::{timeout, timeout_at},
};

use super::{error, lease::Lease};
use crate::{ConnectorConfig, bounds::permit, host::Host};

const PORT: u16 = 3306;
/// How long a server may take to accept a connection; one that takes longer cannot be reached.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a session may be idle and still be used. Servers and the firewalls before them cut longer ones without a word.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// How long an idle session may take to show that it is alive.
const REVIVAL_LIMIT: Duration = Duration::from_secs(2);
/// How long the attempt to stop an abandoned statement may take.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Prepared statements that each session keeps.
const STATEMENTS: usize = 64;
/// The modes in which the server reads text in another way than the read-only guard, which would then judge another
/// statement than the one that runs. The first ones are short for several.
const FOREIGN_MODES: [&str; 8] =
    ["ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"];

/// What a session may do until its transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    MariaDb,
    MySql,
}

/// The sessions of one source.
pub(super) struct Sessions {
    host: Host,
    options: MySqlConnectOptions,
    address: String,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
}

/// An open connection and what is known of it.
pub(super) struct Session {
    pub(super) connection: MySqlConnection,
    pub(super) id: u64,
    product: Product,
    version: String,
    /// Before then the server's own time limit cannot have stopped a statement.
    pub(super) limit: Instant,
    idle_since: Instant,
}

impl Sessions {
    pub(super) fn new(endpoint: &Endpoint, credentials: Option<&Credentials>, config: &ConnectorConfig) -> Self {
        let port = endpoint.port.unwrap_or(PORT);
        let mut options = MySqlConnectOptions::new()
            .host(&endpoint.host)
            .port(port)
            .username(&endpoint.user)
            .database(&endpoint.database)
            // The driver's default falls back to plain text without a word.
            .ssl_mode(match endpoint.tls.mode {
                TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
                TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
                TlsMode::Off => MySqlSslMode::Disabled,
            })
            .charset("utf8mb4")
            .timezone(String::from("+00:00"))
            // The statement means what it means on its server.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .statement_cache_capacity(STATEMENTS)
            // Statements may hold what a log should not.
            .disable_statement_logging();
        if let Some(ca) = &endpoint.tls.ca {
            options = options.ssl_ca_from_pem(ca.clone().into_bytes());
        }
        if let Some(credentials) = credentials {
            options = options.password(credentials.password.expose_secret());
        }
        Self {
            host: Host::new(endpoint, port, &config.networks),
            options,
            address: format!("{}:{port}", endpoint.host),
            permits: Arc::new(Semaphore::new(endpoint.max_sessions.max(1) as usize)),
            idle: Mutex::default(),
        }
    }

    /// A session in a transaction, with a time limit of the server's own a little before the deadline.
    pub(super) async fn begin(self: &Arc<Self>, access: Access, deadline: Deadline) -> Result<Lease> {
        let permit = permit(&self.permits, deadline).await?;
        let session = match self.revive(access, deadline).await {
            Some(session) => session,
            // Boxed, because it is rare and would make every call's future larger.
            None => Box::pin(self.open(access, deadline)).await?,
        };
        Ok(Lease::new(session, Arc::clone(self), permit))
    }

    /// An idle session that still works. Beginning the transaction is the test, and costs no round trip of its own.
    async fn revive(&self, access: Access, deadline: Deadline) -> Option<Session> {
        loop {
            let mut session = self.idle().pop()?;
            let is_fresh = session.idle_since.elapsed() < IDLE_LIMIT;
            if !is_fresh {
                continue;
            }
            match timeout(REVIVAL_LIMIT, session.begin(access, deadline)).await {
                Ok(Ok(())) => return Some(session),
                Ok(Err(_)) => {}
                // Its connection was cut without a word, and so were those that have been idle for longer.
                Err(_) => drop(mem::take(&mut *self.idle())),
            }
        }
    }

    async fn open(&self, access: Access, deadline: Deadline) -> Result<Session> {
        let given_up = Instant::now() + CONNECT_LIMIT;
        let opened = timeout_at(deadline.instant().min(given_up).into(), async {
            let connection = self.dial(deadline.instant().min(given_up)).await?;
            let opened = async {
                let mut session = Session::open(connection).await?;
                session.begin(access, deadline).await?;
                Ok(session)
            };
            opened.await.map_err(|error| self.unopened(error))
        });
        match opened.await {
            Ok(opened) => opened,
            Err(_) if given_up <= deadline.instant() => {
                Err(self.unopened(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
            }
            // A deadline that leaves less time than a connection may take tells nothing of the server.
            Err(_) => Err(Error::new(
                ErrorCode::Timeout,
                format!("{} did not accept a connection before the deadline", self.address),
            )),
        }
    }

    /// A connection to the server, which is known to be where it may be.
    async fn dial(&self, until: Instant) -> Result<MySqlConnection> {
        self.host.connect(&self.options, MySqlConnectOptions::host, until, |error| self.unopened(error)).await
    }

    fn unopened(&self, error: sqlx::Error) -> Error {
        let error = match self.host.conceals(&error) {
            true => self.host.unreached(error),
            false => error::of_connect(error, &self.address),
        };
        error.while_connecting()
    }

    /// Takes a session whose transaction has ended, and closes those that have been idle for too long.
    pub(super) async fn take_back(&self, mut session: Session) {
        let ended: Vec<_> = {
            let mut idle = self.idle();
            session.idle_since = Instant::now();
            idle.push(session);
            // `close` takes this lock after it closed the semaphore, so that no session can slip in behind it.
            let ended = match self.permits.is_closed() {
                true => idle.len(),
                false => idle.partition_point(|session| session.idle_since.elapsed() >= IDLE_LIMIT),
            };
            idle.drain(..ended).collect()
        };
        for session in ended {
            session.close().await;
        }
    }

    /// The server, as host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Closes the idle sessions; no other is opened.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = mem::take(&mut *self.idle());
        for session in idle {
            session.close().await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        // Nothing that is done under the lock can leave the list broken.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session `id` on the server. Killing the query alone would miss one that is on its way to the server.
    pub(super) async fn kill(&self, id: u64) {
        let kill = async {
            let failed = |error| error::of_statement(error, &self.address);
            let mut connection = self.dial(Instant::now() + KILL_LIMIT).await?;
            sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut connection).await.map_err(failed)?;
            connection.close().await.map_err(failed)
        };
        match timeout(KILL_LIMIT, kill).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(address = self.address, ?error, "an abandoned session was not killed"),
            Err(_) => tracing::debug!(address = self.address, "killing an abandoned session took too long"),
        }
    }
}

impl Session {
    async fn open(mut connection: MySqlConnection) -> sqlx::Result<Self> {
        let row =
            sqlx::raw_sql("SELECT CONNECTION_ID(), VERSION(), @@SESSION.sql_mode").fetch_one(&mut connection).await?;
        let (id, version, mode): (u64, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if let Some(mode) = native_mode(&mode) {
            sqlx::query("SET SESSION sql_mode = ?").bind(mode).execute(&mut connection).await?;
        }
        let product = if version.contains("MariaDB") { Product::MariaDb } else { Product::MySql };
        let now = Instant::now();
        Ok(Self { connection, id, product, version, limit: now, idle_since: now })
    }

    /// Begins a transaction. Everything that the one before may have set is set again, so that nothing depends on how that
    /// one ended; that is why nothing is reset at its end.
    async fn begin(&mut self, access: Access, deadline: Deadline) -> sqlx::Result<()> {
        let now = Instant::now();
        let left = deadline.remaining(now);
        // The server's own error tells more than our timer, and leaves the session usable.
        let limit = left - (left / 10).min(Duration::from_millis(100));
        // The server has a clock of its own.
        self.limit = now + limit - limit / 10;
        let limit = match self.product {
            Product::MariaDb => format!("max_statement_time = {:.3}", limit.as_secs_f64().max(0.001)),
            // Plans come in the shape that MariaDB has too; servers before 8.3 know no other.
            Product::MySql => format!(
                "max_execution_time = {} /*!80300 , SESSION explain_json_format_version = 1 */",
                limit.as_millis().max(1)
            ),
        };
        // The access mode of the session outlives a commit that a statement implies, which ends that of the transaction.
        let mode = match access {
            Access::ReadOnly => "READ ONLY",
            Access::ReadWrite => "READ WRITE",
        };
        let batch = format!("SET SESSION {limit}; SET SESSION TRANSACTION {mode}; START TRANSACTION {mode}");
        sqlx::raw_sql(AssertSqlSafe(batch)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Whether the server lets go of all named locks at once. MySQL does since it has the time limits that every session
    /// sets, and MariaDB since 10.5.2.
    pub(super) fn can_release_locks(&self) -> bool {
        self.product == Product::MySql || numbers(&self.version) >= [10, 5, 2]
    }

    /// The product's name, and its version as it says it.
    pub(super) fn server(&self) -> (&'static str, &str) {
        let product = match self.product {
            Product::MariaDb => "MariaDB",
            Product::MySql => "MySQL",
        };
        (product, &self.version)
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "a session was not closed in good order");
        }
    }
}

/// The numbers of a version such as `10.11.14-MariaDB-log`.
fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

/// A mode without those that change how text is read; `None` when it has none of them.
fn native_mode(mode: &str) -> Option<String> {
    let is_native = |mode: &&str| !FOREIGN_MODES.contains(mode);
    let native: Vec<_> = mode.split(',').filter(is_native).collect();
    (native.len() < mode.split(',').count()).then(|| native.join(","))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;
    use test_servers::Server;
    use tidegate_core::{ErrorCode, network::SourceNetworks, source::Tls};

    use super::*;

    fn sessions(server: &Server) -> Arc<Sessions> {
        let endpoint = Endpoint {
            host: server.host.clone(),
            port: Some(server.port),
            database: server.database.clone(),
            user: server.user.clone(),
            tls: Tls { mode: TlsMode::Off, ca: None },
            max_sessions: 2,
        };
        let credentials = Credentials { password: server.password.clone().into() };
        let config = ConnectorConfig { networks: SourceNetworks::everywhere(), ..ConnectorConfig::default() };
        Arc::new(Sessions::new(&endpoint, Some(&credentials), &config))
    }

    fn soon() -> Deadline {
        Deadline::after(Instant::now(), Duration::from_secs(30))
    }

    impl Sessions {
        /// A session of its own in use, after a change to what is known of it.
        async fn lease_of(self: &Arc<Self>, change: impl FnOnce(&mut Session)) -> Lease {
            let permit = permit(&self.permits, soon()).await.unwrap();
            let mut session = self.open(Access::ReadOnly, soon()).await.unwrap();
            change(&mut session);
            let mut lease = Lease::new(session, Arc::clone(self), permit);
            lease.settle();
            lease
        }

        fn idle_ids(&self) -> Vec<u64> {
            self.idle().iter().map(|session| session.id).collect()
        }
    }

    #[tokio::test]
    async fn a_session_whose_named_locks_cannot_be_released_is_not_used_again() {
        let sessions = sessions(test_servers::mariadb());
        sessions.lease_of(|session| session.version = "10.5.1-MariaDB-log".to_owned()).await.give_back().await;
        assert!(sessions.idle_ids().is_empty());
        sessions.lease_of(|session| session.version = "10.5.2-MariaDB-log".to_owned()).await.give_back().await;
        assert_eq!(sessions.idle_ids().len(), 1);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, expected) in [
            ("10.11.14-MariaDB-0+deb12u2", [10, 11, 14]),
            ("11.4-MariaDB", [11, 4, 0]),
            ("8.0.36", [8, 0, 36]),
            ("unknown", [0, 0, 0]),
        ] {
            assert_eq!(numbers(version), expected, "{version}");
        }
    }

    #[rstest]
    #[tokio::test]
    async fn sessions_that_stay_idle_are_closed_while_others_are_in_use(
        #[values(test_servers::mariadb, test_servers::mysql)] server: fn() -> &'static Server,
    ) {
        let sessions = sessions(server());
        let (first, second) = (sessions.lease_of(|_| {}).await, sessions.lease_of(|_| {}).await);
        first.give_back().await;
        let [id] = sessions.idle_ids()[..] else { panic!("one is idle") };
        sessions.idle()[0].idle_since = Instant::now().checked_sub(IDLE_LIMIT).unwrap();
        second.give_back().await;
        let idle = sessions.idle_ids();
        assert!(idle.len() == 1 && idle[0] != id, "{idle:?} without {id}");
    }

    #[rstest]
    #[tokio::test]
    async fn a_session_that_is_given_back_to_a_closed_source_is_closed(
        #[values(test_servers::mariadb, test_servers::mysql)] server: fn() -> &'static Server,
    ) {
        let sessions = sessions(server());
        let lease = sessions.lease_of(|_| {}).await;
        sessions.close().await;
        lease.give_back().await;
        assert!(sessions.idle_ids().is_empty());
    }

    #[rstest]
    #[tokio::test]
    async fn the_engine_refuses_every_change_in_a_read_only_session(
        #[values(test_servers::mariadb, test_servers::mysql)] server: fn() -> &'static Server,
    ) {
        let sessions = sessions(server());
        let deadline = soon();
        let mut lease = sessions.begin(Access::ReadWrite, deadline).await.unwrap();
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS locked (id int)").execute(lease.connection()).await.unwrap();
        lease.settle();
        lease.give_back().await;

        for change in [
            "INSERT INTO locked VALUES (1)",
            "UPDATE locked SET id = 2",
            "DELETE FROM locked",
            "SELECT * FROM locked FOR UPDATE",
            "CREATE TABLE other (id int)",
            "DROP TABLE locked",
            "TRUNCATE TABLE locked",
            "ALTER TABLE locked ADD COLUMN more int",
        ] {
            let mut lease = sessions.begin(Access::ReadOnly, deadline).await.unwrap();
            let error = sqlx::query(change).execute(lease.connection()).await.unwrap_err();
            assert_eq!(lease.fail(error).code(), ErrorCode::StatementNotAllowed, "{change}");
            lease.give_back().await;
        }

        // What ends the transaction does not end the lock.
        let mut lease = sessions.begin(Access::ReadOnly, deadline).await.unwrap();
        sqlx::query("COMMIT").execute(lease.connection()).await.unwrap();
        let error = sqlx::query("INSERT INTO locked VALUES (1)").execute(lease.connection()).await.unwrap_err();
        assert_eq!(lease.fail(error).code(), ErrorCode::StatementNotAllowed);
    }

    #[test]
    fn only_the_modes_that_change_how_text_is_read_are_taken_away() {
        assert_eq!(native_mode("STRICT_TRANS_TABLES,PIPES_AS_CONCAT"), None);
        assert_eq!(native_mode(""), None);
        assert_eq!(
            native_mode("REAL_AS_FLOAT,ANSI_QUOTES,ONLY_FULL_GROUP_BY,ANSI").unwrap(),
            "REAL_AS_FLOAT,ONLY_FULL_GROUP_BY"
        );
    }
}
