#![doc = include_str!("../README.md")]
#![expect(clippy::panic, clippy::expect_used, reason = "a test without its server has failed")]

mod cache;
mod programs;
mod server;
mod unpacked;

use std::sync::OnceLock;

use programs::Packages;
use server::Product;
pub use server::Server;
use unpacked::Unpacked;

const POSTGRES: Product = Product {
    scheme: "postgres",
    url_variable: "TIDEGATE_TEST_POSTGRES_URL",
    packages: Packages { names: &["postgresql", "openssl"], programs: &["initdb", "postgres", "openssl"] },
    unpacked: None,
    admin: "postgres",
    script: concat!(include_str!("postgres.sh"), include_str!("supervise.sh")),
};

const MARIADB: Product = Product {
    scheme: "mysql",
    url_variable: "TIDEGATE_TEST_MARIADB_URL",
    packages: Packages {
        names: &["mariadb-server", "openssl"],
        programs: &["mariadb-install-db", "mariadbd", "openssl"],
    },
    unpacked: None,
    admin: "root",
    script: concat!(include_str!("mariadb.sh"), include_str!("supervise.sh")),
};

const MYSQL: Product = Product {
    scheme: "mysql",
    url_variable: "TIDEGATE_TEST_MYSQL_URL",
    packages: Packages { names: &["openssl"], programs: &["openssl"] },
    unpacked: Some(Unpacked { name: "mysql", script: include_str!("unpack_mysql.sh") }),
    admin: "root",
    script: concat!(include_str!("mysql.sh"), include_str!("supervise.sh")),
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

/// The MySQL server of this process; started at the first call.
///
/// # Panics
/// When it can neither be unpacked nor started; the message says what to do.
pub fn mysql() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::given_or_started(&MYSQL))
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

/// A MySQL server for one test, which may stop and freeze it. It ends with the value.
///
/// # Panics
/// When it can neither be unpacked nor started; the message says what to do.
pub fn own_mysql() -> Server {
    Server::start(&MYSQL)
}
