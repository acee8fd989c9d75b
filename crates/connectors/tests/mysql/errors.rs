//! Failures have the code and the words that tell what to do.

use std::{net::TcpListener, time::Duration};

use test_servers::mariadb;
use tidegate_connectors::{Connector, mysql::MysqlConnector};
use tidegate_core::{
    ErrorCode,
    source::{Credentials, Endpoint, Tls, TlsMode},
};

use crate::source::{
    Recording, connector, connector_with_one_session, credentials, deadline, deadline_in, endpoint, single, statement,
};

#[tokio::test]
async fn the_server_says_who_it_is() {
    let info = connector().test(deadline()).await.unwrap();
    assert_eq!(info.product, "MariaDB");
    assert!(info.version.contains("MariaDB"), "{info:?}");
}

#[tokio::test]
async fn a_wrong_password_is_not_repeated() {
    let wrong = Credentials { password: "not-the-password".to_owned().into() };
    let connector = MysqlConnector::new(&endpoint(&mariadb().database), Some(&wrong)).unwrap();
    let error = connector.test(deadline()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceAuthenticationFailed);
    assert!(!format!("{error:?}").contains("not-the-password"), "{error:?}");
}

#[tokio::test]
async fn a_database_of_others_is_an_authentication_failure_and_a_missing_one_too() {
    for database in ["mysql", "nowhere"] {
        let connector = MysqlConnector::new(&endpoint(database), Some(&credentials())).unwrap();
        let error = connector.test(deadline()).await.unwrap_err();
        assert_eq!((error.code(), error.sqlstate()), (ErrorCode::SourceAuthenticationFailed, Some("42000")));
    }
}

#[tokio::test]
async fn a_missing_database_of_ones_own_makes_the_source_unavailable() {
    let connector = MysqlConnector::new(&endpoint("tidegate_missing"), Some(&credentials())).unwrap();
    let error = connector.test(deadline()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceUnavailable);
    assert!(error.message().contains("tidegate_missing"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_is_reported_at_once_with_its_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = Endpoint { port: Some(port), ..endpoint("tidegate") };
    let connector = MysqlConnector::new(&endpoint, None).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(5), connector.test(deadline())).await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceUnavailable);
    assert!(error.message().contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_ends_the_call_at_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint { port: Some(silent.local_addr().unwrap().port()), ..endpoint("tidegate") };
    let connector = MysqlConnector::new(&endpoint, None).unwrap();
    let error = connector.test(deadline_in(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
}

#[tokio::test]
async fn a_session_is_encrypted_when_the_certificate_is_trusted() {
    let ca = mariadb().ca.clone();
    for (mode, host) in [(TlsMode::VerifyFull, "127.0.0.1"), (TlsMode::VerifyCa, "localhost")] {
        let endpoint =
            Endpoint { host: host.to_owned(), tls: Tls { mode, ca: ca.clone() }, ..endpoint(&mariadb().database) };
        let connector = MysqlConnector::new(&endpoint, Some(&credentials())).unwrap();
        let cipher =
            "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'ssl_cipher'";
        assert_eq!(single(&connector, cipher).await, "Integer(1)", "{mode:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused_and_plain_text_never_taken() {
    let ca = mariadb().ca.clone();
    for (mode, host, ca) in [
        (TlsMode::VerifyFull, "127.0.0.1", None),
        (TlsMode::VerifyCa, "127.0.0.1", None),
        (TlsMode::VerifyFull, "localhost", ca),
    ] {
        let endpoint = Endpoint { host: host.to_owned(), tls: Tls { mode, ca }, ..endpoint(&mariadb().database) };
        let connector = MysqlConnector::new(&endpoint, Some(&credentials())).unwrap();
        let error = connector.test(deadline()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::SourceUnavailable);
        assert!(error.message().contains("`tls.ca`"), "{mode:?} {host}: {error}");
    }
    let tls = Tls { ca: Some("not a certificate".to_owned()), ..Tls::default() };
    let refused = MysqlConnector::new(&Endpoint { tls, ..endpoint(&mariadb().database) }, None).err().unwrap();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn a_syntax_error_names_its_line() {
    let (_, ran) = connector().run(statement("SELECT CAST(1 AS\nTEXT)"), deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("42000")));
    assert_eq!(error.faults().first().and_then(|fault| fault.line), Some(2), "{error:?}");
}

#[tokio::test]
async fn an_unknown_table_is_an_error_of_the_database_and_the_session_goes_on() {
    let connector = connector_with_one_session();
    let id = single(&connector, "SELECT CONNECTION_ID()").await;
    let (recording, ran) =
        connector.run(statement("SELECT * FROM no_such_table"), deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("42S02")));
    assert!(error.message().contains("no_such_table"), "{error}");
    assert!(recording.columns.is_none());
    assert_eq!(single(&connector, "SELECT CONNECTION_ID()").await, id);
}
