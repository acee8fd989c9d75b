//! The servers answer, and go away with their owner.
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::{Command, abort},
    time::{Duration, Instant},
};

use test_servers::{Server, mariadb, mysql, postgres};

const OWNER: &str = "TEST_SERVERS_OWNER";

#[test]
fn all_servers_answer_in_their_own_protocols() {
    let mut stream = connect(postgres());
    // A request for TLS: eight bytes, answered by one.
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    assert!(matches!(answer, [b'N' | b'S']), "{answer:?}");

    for (server, is_mariadb) in [(mariadb(), true), (mysql(), false)] {
        let mut greeting = [0; 40];
        connect(server).read_exact(&mut greeting).unwrap();
        assert_eq!(greeting[3..5], [0, 10], "packet 0, protocol version 10");
        let version = String::from_utf8_lossy(&greeting[5..]);
        assert_eq!(version.contains("MariaDB"), is_mariadb, "{version}");
    }
}

#[test]
fn urls_name_the_two_logins() {
    let server = mariadb();
    let address = format!("@{}:{}/{}", server.host, server.port, server.database);
    assert_eq!(server.url(), format!("mysql://{}:{}{address}", server.user, server.password));
    assert_eq!(server.admin_url(), format!("mysql://{}:{}{address}", server.admin_user, server.admin_password));
}

#[test]
fn servers_and_their_folders_go_away_when_their_owner_dies() {
    if env::var_os(OWNER).is_some() {
        println!("ports: {} {} {}", postgres().port, mariadb().port, mysql().port);
        abort();
    }
    let folder = tempfile::tempdir().unwrap();
    // The servers may run as another user than this process, who has to get in.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "servers_and_their_folders_go_away_when_their_owner_dies", "--nocapture"])
        .env(OWNER, "1")
        .env("TMPDIR", folder.path())
        .env_remove("TIDEGATE_TEST_POSTGRES_URL")
        .env_remove("TIDEGATE_TEST_MARIADB_URL")
        .env_remove("TIDEGATE_TEST_MYSQL_URL")
        .output()
        .unwrap();
    assert!(!owner.status.success());
    let output = String::from_utf8_lossy(&owner.stdout).into_owned();
    let (_, ports) =
        output.split_once("ports: ").unwrap_or_else(|| panic!("{output}{}", String::from_utf8_lossy(&owner.stderr)));
    let ports: Vec<u16> = ports.split_whitespace().take(3).map(|port| port.parse().unwrap()).collect();

    let deadline = Instant::now() + Duration::from_secs(30);
    let is_gone = || {
        let servers = fs::read_dir(folder.path()).unwrap().flatten().any(|entry| entry.path().is_dir());
        !servers && ports.iter().all(|&port| TcpStream::connect(("127.0.0.1", port)).is_err())
    };
    while !is_gone() {
        assert!(Instant::now() < deadline, "{ports:?} still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect((server.host.as_str(), server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}
