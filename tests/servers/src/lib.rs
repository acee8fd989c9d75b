#![doc = include_str!("../README.md")]
#![expect(clippy::panic, clippy::expect_used, reason = "a test without its server has failed")]

mod programs;
mod server;

use std::sync::OnceLock;

use programs::Packages;
use server::Product;
pub use server::Server;

const POSTGRES: Product = Product {
    scheme: "postgres",
    url_variable: "TIDEGATE_TEST_POSTGRES_URL",
    packages: Packages { names: &["postgresql", "openssl"], programs: &["initdb", "postgres", "openssl"] },
    admin: "postgres",
    script: concat!(include_str!("postgres.sh"), include_str!("supervise.sh")),
};

const MARIADB: Product = Product {
    scheme: "mysql",
    url_variable: "TIDEGATE_TEST_MYSQL_URL",
    packages: Packages {
        names: &["mariadb-server", "openssl"],
        programs: &["mariadb-install-db", "mariadbd", "openssl"],
    },
    admin: "root",
    script: concat!(include_str!("mariadb.sh"), include_str!("supervise.sh")),
};

/// The PostgreSQL server of this process; started at the first call.
///
/// # Panics
/// When it can neither be found, installed nor started; the message says what to do.
pub fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::given_or_started(&POSTGRES))
}

/// The MariaDB server of this process; started at the first call.
///
/// # Panics
/// When it can neither be found, installed nor started; the message says what to do.
pub fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::given_or_started(&MARIADB))
}

/// A PostgreSQL server for one test, which may stop and freeze it. It ends with the value.
///
/// # Panics
/// When it can neither be found, installed nor started; the message says what to do.
pub fn own_postgres() -> Server {
    Server::start(&POSTGRES)
}

/// A MariaDB server for one test, which may stop and freeze it. It ends with the value.
///
/// # Panics
/// When it can neither be found, installed nor started; the message says what to do.
pub fn own_mariadb() -> Server {
    Server::start(&MARIADB)
}
