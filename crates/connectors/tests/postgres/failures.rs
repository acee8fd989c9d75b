//! Which error is each failure.

use serde_json::json;
use tidegate_connectors::{Connector, postgres::PostgresConnector};
use tidegate_core::{
    Error, ErrorCode,
    error::Fault,
    source::{Credentials, Endpoint, Tls, TlsMode},
};

use crate::fixture::{anywhere, connector, credentials, endpoint, rows, run, soon};

async fn test_failure(endpoint: &Endpoint, credentials: &Credentials) -> Error {
    let connector = PostgresConnector::new(endpoint, Some(credentials), &anywhere()).unwrap();
    connector.test(soon()).await.unwrap_err()
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let wrong = Credentials { password: "not-the-password".to_owned().into() };
    let error = test_failure(&endpoint(), &wrong).await;
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::SourceAuthenticationFailed, Some("28P01")));
    assert!(!format!("{error:?}").contains("not-the-password"));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = test_failure(&Endpoint { port: Some(port), ..endpoint() }, &credentials()).await;
    assert_eq!(error.code(), ErrorCode::SourceUnavailable);
    assert!(error.message().contains(&format!("127.0.0.1:{port} refuses the connection")), "{error}");
}

#[tokio::test]
async fn an_unknown_database_is_named() {
    let error = test_failure(&Endpoint { database: "nowhere".to_owned(), ..endpoint() }, &credentials()).await;
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::SourceUnavailable, Some("3D000")));
    assert!(error.message().contains("\"nowhere\""), "{error}");
}

#[test]
fn the_folder_of_a_socket_is_no_host_and_any_text_no_certificate() {
    let socket = Endpoint { host: "/var/run/postgresql".to_owned(), ..endpoint() };
    let garbage = Endpoint { tls: Tls { mode: TlsMode::VerifyFull, ca: Some("ca".to_owned()) }, ..endpoint() };
    for endpoint in [socket, garbage] {
        let error = PostgresConnector::new(&endpoint, None, &anywhere()).err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
    }
}

#[tokio::test]
async fn an_error_of_a_statement_has_the_servers_words_and_its_place() {
    let (recorder, result) = run(&connector(), "SELECT 1,\n       'é', nope FROM pg_class").await;
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("42703")));
    assert_eq!(error.message(), "column \"nope\" does not exist");
    assert_eq!(error.faults(), [Fault::at(2, 13, "column \"nope\" does not exist")]);
    assert!(recorder.columns.is_none());

    let (_, result) = run(&connector(), "SELECT relnam FROM pg_class").await;
    assert!(result.unwrap_err().message().contains("hint: Perhaps you meant"));
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_result_leaves_the_rows_before_it() {
    let connector = connector();
    let (recorder, result) = run(&connector, "SELECT 100 / (3 - n) FROM generate_series(1, 5) AS n").await;
    assert_eq!(result.unwrap_err().sqlstate(), Some("22012"));
    assert_eq!(recorder.rows, [[json!(50)], [json!(100)]]);
    assert_eq!(rows(&connector, "SELECT 1").await, [[json!(1)]]);
}
