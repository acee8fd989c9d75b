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
use crate::{ConnectorConfig, host::Host};

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
        let permit = match timeout_at(deadline.instant().into(), Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(closed()),
            Err(_) => {
                return Err(Error::new(
                    ErrorCode::Timeout,
                    "every session of the source was busy until the deadline; try again, or raise its `max_sessions`",
                ));
            }
        };
        let session = match self.revive(access, deadline).await {
            Some(session) => session,
            None => self.open(access, deadline).await?,
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
            let connection = self.dial().await?;
            let opened = async {
                let mut session = Session::open(connection).await?;
                session.begin(access, deadline).await?;
                Ok(session)
            };
            opened.await.map_err(|error| self.unopened(error))
        });
        match opened.await {
            Ok(opened) => opened,
            Err(_) if given_up <= deadline.instant() => Err(Error::new(
                ErrorCode::SourceUnavailable,
                format!(
                    "{} did not accept a connection in time; check the host, the port and the firewall",
                    self.address
                ),
            )
            .while_connecting()),
            // A deadline that leaves less time than a connection may take tells nothing of the server.
            Err(_) => Err(Error::new(
                ErrorCode::Timeout,
                format!("{} did not accept a connection before the deadline", self.address),
            )),
        }
    }

    /// A connection to the server, which is known to be where it may be.
    async fn dial(&self) -> Result<MySqlConnection> {
        self.host.connect(&self.options, MySqlConnectOptions::host, |error| self.unopened(error)).await
    }

    fn unopened(&self, error: sqlx::Error) -> Error {
        error::of_connect(error, &self.address).while_connecting()
    }

    /// Takes a session whose transaction has ended.
    pub(super) fn take_back(&self, mut session: Session) {
        if !self.permits.is_closed() {
            session.idle_since = Instant::now();
            self.idle().push(session);
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
            let mut connection = self.dial().await?;
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

/// The error of a source that was closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorCode::SourceUnavailable, "the source was changed or closed meanwhile; try again")
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
        Ok(Self { connection, id, product, version, idle_since: Instant::now() })
    }

    /// Begins a transaction. Everything that the one before may have set is set again, so that nothing depends on how that
    /// one ended; that is why nothing is reset at its end.
    async fn begin(&mut self, access: Access, deadline: Deadline) -> sqlx::Result<()> {
        let left = deadline.remaining(Instant::now());
        // The server's own error tells more than our timer, and leaves the session usable.
        let limit = left - (left / 10).min(Duration::from_millis(100));
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

    #[rstest]
    #[tokio::test]
    async fn the_engine_refuses_every_change_in_a_read_only_session(
        #[values(test_servers::mariadb, test_servers::mysql)] server: fn() -> &'static Server,
    ) {
        let server = server();
        let endpoint = Endpoint {
            host: server.host.clone(),
            port: Some(server.port),
            database: server.database.clone(),
            user: server.user.clone(),
            tls: Tls { mode: TlsMode::Off, ca: None },
            max_sessions: 1,
        };
        let credentials = Credentials { password: server.password.clone().into() };
        let config = ConnectorConfig { networks: SourceNetworks::everywhere(), ..ConnectorConfig::default() };
        let sessions = Arc::new(Sessions::new(&endpoint, Some(&credentials), &config));
        let deadline = Deadline::after(Instant::now(), Duration::from_secs(30));
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
