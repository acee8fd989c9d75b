//! The kinds of servers, and what is said to each.

use serde_json::{Value as Json, json};
use test_servers::Server;
use tests::proxy::Proxy;

/// Four times the numbers from 1 to 1000 make more combinations than a server looks at in an hour.
const NUMBERS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)";
const COMBINATIONS: &str = "n a, n b, n c, n d WHERE a.i + b.i + c.i + d.i";

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Mariadb,
    Mysql,
}

impl Kind {
    pub(crate) fn shared(self) -> &'static Server {
        match self {
            Self::Postgres => test_servers::postgres(),
            Self::Mariadb => test_servers::mariadb(),
            Self::Mysql => test_servers::mysql(),
        }
    }

    pub(crate) fn own(self) -> Server {
        match self {
            Self::Postgres => test_servers::own_postgres(),
            Self::Mariadb => test_servers::own_mariadb(),
            Self::Mysql => test_servers::own_mysql(),
        }
    }

    /// A source on this server, with so many sessions at the most.
    pub(crate) fn source(self, name: &str, server: &Server, max_sessions: u32) -> Json {
        self.source_by(server.connection(), name, server, max_sessions)
    }

    /// A source on this server that is reached through a proxy, with five sessions at the most.
    pub(crate) fn source_behind(self, proxy: &Proxy, name: &str, server: &Server) -> Json {
        self.source_by(server.connection_at("127.0.0.1", proxy.port), name, server, 5)
    }

    fn source_by(self, mut connection: Json, name: &str, server: &Server, max_sessions: u32) -> Json {
        let kind = if self == Self::Postgres { "postgres" } else { "mysql" };
        connection[kind]["max_sessions"] = json!(max_sessions);
        let mut source = server.source(name);
        source["connection"] = connection;
        source["allow_raw"] = json!(true);
        source
    }

    /// Makes every reader of the table wait, in the transaction of the administrator who says it.
    pub(crate) fn lock(self, table: &str) -> String {
        match self {
            Self::Postgres => format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
            Self::Mariadb | Self::Mysql => format!("LOCK TABLES {table} WRITE"),
        }
    }

    /// Lets them go on.
    pub(crate) fn unlock(self) -> &'static str {
        match self {
            Self::Postgres => "COMMIT",
            Self::Mariadb | Self::Mysql => "UNLOCK TABLES",
        }
    }
}

/// A statement that runs for hours, with a column to find it by.
pub(crate) fn slow(marker: &str) -> String {
    format!("{NUMBERS} SELECT count(*) AS {marker} FROM {COMBINATIONS} < 0")
}

/// A statement that sends 200 kB of rows at once and then computes for hours.
pub(crate) fn stuck(marker: &str) -> String {
    format!(
        "{NUMBERS} SELECT r.i AS {marker}, repeat('x', 1000) AS x, \
         CASE WHEN r.i > 200 THEN (SELECT count(*) FROM {COMBINATIONS} < r.i) END AS y FROM n r"
    )
}
