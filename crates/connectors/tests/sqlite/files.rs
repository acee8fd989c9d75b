//! Files that are missing, are something else, or change under the connector.

use std::fs;

use rusqlite::Connection;
use tidegate_connectors::Connector;
use tidegate_core::ErrorCode;

use crate::fixture::{Fixture, connector, soon};

#[tokio::test]
async fn a_missing_file_is_unavailable_and_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let error = connector(&folder, "gone.sqlite", 1).test(soon()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceUnavailable);
    assert!(error.message().starts_with("`gone.sqlite` does not exist"), "{error}");
    assert!(!error.message().contains(folder.path().to_str().unwrap()), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_comes_later_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let connector = connector(&folder, "later.sqlite", 1);
    connector.test(soon()).await.unwrap_err();
    Connection::open(folder.path().join("later.sqlite")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert_eq!(connector.tables("main", soon()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_a_database_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text"), "not a database, but long enough to have a header. ".repeat(100)).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    for (path, words) in [("text", "`text` is not a sqlite database"), ("folder", "`folder` is not a file")] {
        let connector = connector(&folder, path, 1);
        for error in [connector.test(soon()).await.unwrap_err(), connector.schemas(soon()).await.unwrap_err()] {
            assert_eq!((error.code(), error.message()), (ErrorCode::SourceUnavailable, words));
        }
    }
}

#[tokio::test]
async fn a_damaged_file_fails_its_statements_and_nothing_else() {
    let fixture = Fixture::new(
        "CREATE TABLE t (a TEXT); CREATE TABLE u (a);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO t SELECT printf('%0100d', i) FROM n",
    );
    let path = fixture.folder.path().join("data.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    bytes[3 * 4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = fixture.run("SELECT count(a), max(a) FROM t").await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceUnavailable, "{error:?}");
    assert_eq!(fixture.row("SELECT count(*) FROM u").await, ["Integer(0)"]);
}

#[tokio::test]
async fn names_that_are_not_utf_8_make_a_file_unavailable() {
    let fixture = Fixture::new("CREATE TABLE t (abc INTEGER)");
    let path = fixture.folder.path().join("data.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let name = bytes.windows(3).position(|window| window == b"abc").unwrap();
    bytes[name] = 0xff;
    fs::write(&path, bytes).unwrap();
    let error = fixture.run("SELECT * FROM t").await.map(|_| ()).unwrap_err();
    assert_eq!(error.message(), "`data.sqlite` has names of tables or columns that are not UTF-8");
}

#[tokio::test]
async fn a_file_that_is_replaced_is_opened_anew() {
    let fixture = Fixture::new("CREATE TABLE t (a); INSERT INTO t VALUES ('old')");
    assert_eq!(fixture.row("SELECT a FROM t").await, ["Text(\"old\")"]);
    let replacement = fixture.folder.path().join("replacement");
    Connection::open(&replacement)
        .unwrap()
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES ('fresh')")
        .unwrap();
    fs::rename(replacement, fixture.folder.path().join("data.sqlite")).unwrap();
    assert_eq!(fixture.row("SELECT a FROM t").await, ["Text(\"fresh\")"]);
    fs::remove_file(fixture.folder.path().join("data.sqlite")).unwrap();
    let error = fixture.run("SELECT a FROM t").await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceUnavailable);
}

#[cfg(unix)]
#[tokio::test]
async fn paths_that_leave_the_folder_are_invalid_and_unconfined_ones_are_free() {
    use tidegate_connectors::{ConnectorConfig, sqlite::SqliteConnector};
    use tidegate_core::source::SqliteFile;

    let fixture = Fixture::new("CREATE TABLE t (a)");
    let root = tempfile::tempdir().unwrap();
    let path = fixture.folder.path().join("data.sqlite");
    std::os::unix::fs::symlink(&path, root.path().join("link")).unwrap();
    for path in [path.to_str().unwrap(), "link", "../data.sqlite"] {
        for confined in [true, false] {
            let config = ConnectorConfig {
                sqlite_root: root.path().to_owned(),
                sqlite_confined: confined,
                ..ConnectorConfig::default()
            };
            let file = SqliteFile { path: path.into(), max_sessions: 1 };
            let made = SqliteConnector::new(&file, &config);
            match made {
                Err(error) => assert_eq!((confined, error.code()), (true, ErrorCode::InvalidRequest)),
                Ok(connector) => {
                    assert!(!confined, "{path}");
                    assert_eq!(connector.test(soon()).await.is_ok(), !path.starts_with(".."), "{path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_file_in_wal_mode_is_read_while_it_is_written() {
    let fixture = Fixture::new("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    let writer = fixture.direct();
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(fixture.row("SELECT count(*) FROM t").await, ["Integer(1)"]);
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(fixture.row("SELECT count(*) FROM t").await, ["Integer(2)"]);
}
