//! How an administrator looks at a server, and what he does to it.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use test_servers::Server;
use tests::{PATIENCE, until};

use crate::kind::Kind;

/// An administrator's session.
pub(crate) struct Admin {
    kind: Kind,
    connection: Connection,
}

enum Connection {
    Postgres(PgConnection),
    Mysql(MySqlConnection),
}

impl Admin {
    pub(crate) async fn of(kind: Kind, server: &Server) -> Self {
        let url = server.admin_url();
        let connection = match kind {
            Kind::Postgres => Connection::Postgres(PgConnection::connect(&url).await.unwrap()),
            Kind::Mariadb | Kind::Mysql => Connection::Mysql(MySqlConnection::connect(&url).await.unwrap()),
        };
        Self { kind, connection }
    }

    pub(crate) async fn execute(&mut self, statement: impl Into<String>) {
        self.try_execute(statement.into()).await.unwrap();
    }

    async fn try_execute(&mut self, statement: String) -> sqlx::Result<()> {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        match &mut self.connection {
            Connection::Postgres(connection) => statement.execute(connection).await.map(|_| ())?,
            Connection::Mysql(connection) => statement.execute(connection).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Makes a table with one row, which is Tidegate's.
    pub(crate) async fn make_table(&mut self, name: &str, server: &Server) {
        self.execute(format!("DROP TABLE IF EXISTS {name}")).await;
        self.execute(format!("CREATE TABLE {name} (id integer PRIMARY KEY)")).await;
        self.execute(format!("INSERT INTO {name} VALUES (0)")).await;
        if self.kind == Kind::Postgres {
            self.execute(format!("ALTER TABLE {name} OWNER TO {}", server.user)).await;
        }
    }

    /// The numbers in the first column.
    async fn numbers(&mut self, statement: &str) -> Vec<i64> {
        let statement = AssertSqlSafe(statement.to_owned());
        match &mut self.connection {
            Connection::Postgres(connection) => sqlx::query_scalar(statement).fetch_all(connection).await.unwrap(),
            Connection::Mysql(connection) => sqlx::query_scalar(statement).fetch_all(connection).await.unwrap(),
        }
    }

    /// The ids of the sessions of others of which this is true.
    async fn sessions(&mut self, condition: &str) -> Vec<i64> {
        let (id, list, own) = match self.kind {
            Kind::Postgres => ("CAST(pid AS bigint)", "pg_stat_activity", "pg_backend_pid()"),
            Kind::Mariadb => ("id", "information_schema.processlist", "CONNECTION_ID()"),
            Kind::Mysql => ("CAST(id AS SIGNED)", "performance_schema.processlist", "CONNECTION_ID()"),
        };
        self.numbers(&format!("SELECT {id} FROM {list} WHERE {id} <> {own} AND {condition}")).await
    }

    /// Whether a statement with this marker is being executed; that it is only prepared does not count.
    async fn runs(&mut self, marker: &str) -> bool {
        let condition = match self.kind {
            Kind::Postgres => format!(
                "state = 'active' AND query LIKE '%{marker}%' AND clock_timestamp() - query_start > interval '1 ms'"
            ),
            Kind::Mariadb | Kind::Mysql => format!("command <> 'Prepare' AND info LIKE '%{marker}%'"),
        };
        !self.sessions(&condition).await.is_empty()
    }

    /// Waits until a statement with this marker runs.
    pub(crate) async fn see(&mut self, marker: &str) {
        until(&format!("`{marker}` runs"), PATIENCE, async || self.runs(marker).await).await;
    }

    /// Waits until no statement with this marker runs, and not for longer than `patience`. Gives back how long it took.
    pub(crate) async fn see_the_end_of(&mut self, marker: &str, patience: Duration) -> Duration {
        let began = Instant::now();
        until(&format!("the end of `{marker}`"), patience, async || !self.runs(marker).await).await;
        began.elapsed()
    }

    /// Ends every session of Tidegate, and waits until the last is gone.
    pub(crate) async fn kill(&mut self) {
        let (sessions, id) = match self.kind {
            Kind::Postgres => ("application_name = 'tidegate'", "pid"),
            Kind::Mariadb | Kind::Mysql => ("user = 'tidegate'", "id"),
        };
        let ids = self.sessions(sessions).await;
        assert!(!ids.is_empty(), "there is nothing to kill");
        for id in &ids {
            match self.kind {
                Kind::Postgres => self.execute(format!("SELECT pg_terminate_backend({id})")).await,
                // It may have ended meanwhile, which is an error.
                Kind::Mariadb | Kind::Mysql => drop(self.try_execute(format!("KILL {id}")).await),
            }
        }
        let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let left = format!("{id} IN ({list})");
        until("killed sessions end", PATIENCE, async || self.sessions(&left).await.is_empty()).await;
    }
}
