//! A server and the process that supervises it.

use std::{
    env,
    ffi::OsString,
    fmt::Display,
    fs,
    io::{BufRead, BufReader, Write},
    iter,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    str::FromStr,
};

use serde_json::{Value as Json, json};

use crate::{programs::Packages, unpacked::Unpacked};

/// How often a start is tried, each time on another port: another process may take the first in between.
const ATTEMPTS: usize = 5;

/// What differs between the servers.
pub(crate) struct Product {
    pub(crate) scheme: &'static str,
    pub(crate) url_variable: &'static str,
    pub(crate) packages: Packages,
    /// The server itself, when it is in none of the packages.
    pub(crate) unpacked: Option<Unpacked>,
    pub(crate) admin: &'static str,
    pub(crate) script: &'static str,
}

/// A running database server, with a database that belongs to an ordinary user.
#[derive(Debug)]
pub struct Server {
    /// Its address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// A user who owns the database and has no other privilege.
    pub user: String,
    /// That user's password.
    pub password: String,
    /// An empty database. MariaDB and MySQL: every database whose name begins with this name belongs to the user as well.
    pub database: String,
    /// The administrator; the user itself when a variable named the server.
    pub admin_user: String,
    /// The administrator's password.
    pub admin_password: String,
    /// The certificate authority of its certificate, in PEM; the certificate is of `127.0.0.1` only. None when a variable
    /// named the server.
    pub ca: Option<String>,
    scheme: &'static str,
    supervisor: Option<Supervisor>,
}

/// The shell that runs a server.
#[derive(Debug)]
struct Supervisor {
    /// Holds the pipe that the server lives as long as; the kernel closes it with the process.
    process: Child,
    answers: Answers<BufReader<ChildStdout>>,
}

impl Supervisor {
    /// Gives an order and waits for its answer. What was said instead is the error.
    fn order(&mut self, order: impl Display, answer: &str) -> Result<(), String> {
        let orders = self.process.stdin.as_mut().expect("stdin is a pipe");
        writeln!(orders, "{order}").expect("the supervisor reads");
        self.answers.expect(answer)
    }
}

impl Product {
    /// A `PATH` on which all its programs are.
    fn path(&self) -> OsString {
        let path = self.packages.path(self.url_variable);
        let Some(unpacked) = &self.unpacked else { return path };
        // Before others of the same name: Debian's MariaDB has a `mysqld` as well.
        let folders = iter::once(unpacked.bin(self.url_variable)).chain(env::split_paths(&path));
        env::join_paths(folders).expect("folders taken from a PATH")
    }
}

impl Server {
    /// The URL of the database, for its user.
    pub fn url(&self) -> String {
        self.url_of(&self.user, &self.password)
    }

    /// The URL of the database, for the administrator.
    pub fn admin_url(&self) -> String {
        self.url_of(&self.admin_user, &self.admin_password)
    }

    /// A source of this name on the database, as it is registered: with its user, without TLS.
    pub fn source(&self, name: &str) -> Json {
        json!({"name": name, "connection": self.connection(), "credentials": {"password": self.password}})
    }

    /// The connection of such a source.
    pub fn connection(&self) -> Json {
        self.connection_at(&self.host, self.port)
    }

    /// The same connection by way of another address, such as that of a proxy.
    pub fn connection_at(&self, host: &str, port: u16) -> Json {
        let kind = self.scheme;
        json!({kind: {"host": host, "port": port, "database": self.database, "user": self.user, "tls": {"mode": "off"}}})
    }

    fn url_of(&self, user: &str, password: &str) -> String {
        format!("{}://{user}:{password}@{}:{}/{}", self.scheme, self.host, self.port, self.database)
    }

    /// Shuts the server down, with the sessions that clients have.
    pub fn stop(&mut self) {
        self.order("stop", "done");
    }

    /// Starts the stopped server again, on its port.
    pub fn start_again(&mut self) {
        self.order(self.port, "ready");
    }

    /// Keeps every process of the server from running; its connections stay open and say nothing.
    pub fn freeze(&mut self) {
        self.order("freeze", "done");
    }

    /// Lets the frozen server go on.
    pub fn thaw(&mut self) {
        self.order("thaw", "done");
    }

    fn order(&mut self, order: impl Display, answer: &str) {
        let supervisor = self.supervisor.as_mut().expect("a server that a variable named takes no orders");
        supervisor.order(&order, answer).unwrap_or_else(|said| panic!("`{order}` failed:\n{said}"));
    }

    pub(crate) fn given_or_started(product: &Product) -> Self {
        match env::var(product.url_variable) {
            Ok(url) => Self::given(product.scheme, &url).unwrap_or_else(|| {
                panic!("{} must be {}://user:password@host:port/database", product.url_variable, product.scheme)
            }),
            Err(_) => Self::start(product),
        }
    }

    fn given(scheme: &'static str, url: &str) -> Option<Self> {
        let (login, place) = url.strip_prefix(scheme)?.strip_prefix("://")?.rsplit_once('@')?;
        let (user, password) = login.split_once(':')?;
        let (address, database) = place.split_once('/')?;
        let (host, port) = address.rsplit_once(':')?;
        Some(Self {
            host: host.to_owned(),
            port: u16::from_str(port).ok()?,
            user: user.to_owned(),
            password: password.to_owned(),
            database: database.to_owned(),
            admin_user: user.to_owned(),
            admin_password: password.to_owned(),
            ca: None,
            scheme,
            supervisor: None,
        })
    }

    pub(crate) fn start(product: &Product) -> Self {
        let path = product.path();
        // The supervisor removes it, also when this process cannot.
        let folder =
            tempfile::Builder::new().prefix("test-server-").tempdir().expect("cannot create a temporary folder").keep();
        let [password, admin_password] = [random_word(), random_word()];
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", product.script, "supervise"])
            .current_dir(&folder)
            .env("PATH", path)
            .env("FOLDER", &folder)
            .env("ADMIN_USER", product.admin)
            .env("ADMIN_PASSWORD", &admin_password)
            .env("TEST_USER", "tidegate")
            .env("TEST_PASSWORD", &password)
            .env("DATABASE", "tidegate")
            // The signals that stop a test runner go to its group; the supervisor has to outlive them to clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        run_unprivileged(&mut command, &folder);
        let mut process = command.spawn().expect("cannot start /bin/sh");
        let answers = Answers { lines: BufReader::new(process.stdout.take().expect("stdout is a pipe")) };
        let mut supervisor = Supervisor { process, answers };

        let scheme = product.scheme;
        if let Err(output) = supervisor.answers.expect("prepared") {
            panic!("the {scheme} server cannot be set up:\n{output}");
        }
        let ca = fs::read_to_string(folder.join("ca.pem")).expect("the supervisor made a certificate");
        let mut failures = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            match supervisor.order(port, "ready") {
                Ok(()) => {
                    return Self {
                        host: "127.0.0.1".to_owned(),
                        port,
                        user: "tidegate".to_owned(),
                        password,
                        database: "tidegate".to_owned(),
                        admin_user: product.admin.to_owned(),
                        admin_password,
                        ca: Some(ca),
                        scheme,
                        supervisor: Some(supervisor),
                    };
                }
                Err(output) => failures.push_str(&output),
            }
        }
        panic!("the {scheme} server does not start:\n{failures}");
    }
}

/// What the supervisor says.
#[derive(Debug)]
struct Answers<R> {
    lines: R,
}

impl<R: BufRead> Answers<R> {
    /// Waits for the wanted answer. What was said instead is the error.
    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            match self.lines.read_line(&mut line) {
                Ok(read) if read > 0 && line.trim_end() == wanted => return Ok(()),
                Ok(read) if read > 0 && line.trim_end() != "failed" => said.push_str(&line),
                _ => return Err(said),
            }
        }
    }
}

/// All servers refuse to run as root. The folder's owner tells whether this process is root's.
fn run_unprivileged(command: &mut Command, folder: &Path) {
    if fs::metadata(folder).expect("cannot look at a folder").uid() != 0 {
        return;
    }
    let (user, group) = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((numeric_id("-u", name)?, numeric_id("-g", name)?)))
        .expect("root needs a user `postgres` or `nobody` to run servers as");
    chown(folder, Some(user), Some(group)).expect("cannot give a folder away");
    command.uid(user).gid(group);
}

fn numeric_id(flag: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, user]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("cannot listen on 127.0.0.1");
    listener.local_addr().expect("a listener has an address").port()
}

fn random_word() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    format!("{:032x}", u128::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that runs and is never ready.
    const MUTE: Product = Product {
        scheme: "mute",
        url_variable: "TIDEGATE_TEST_MUTE_URL",
        packages: Packages { names: &["openssl"], programs: &["openssl"] },
        unpacked: None,
        admin: "nobody",
        script: concat!(
            "stop_signal=KILL patience=1\nprepare() { :; }\nrun() { exec sleep 600; }\nis_ready() { false; }\n",
            include_str!("supervise.sh")
        ),
    };

    #[test]
    #[should_panic(expected = "it is not ready after 1 s")]
    fn a_server_that_is_never_ready_fails_the_test() {
        Server::start(&MUTE);
    }
}
