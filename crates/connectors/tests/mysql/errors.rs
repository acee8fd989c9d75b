//! Failures have the code and the words that tell what to do.

use std::{net::TcpListener, time::Duration};

use rstest::rstest;
use tidegate_connectors::{Connector, mysql::MysqlConnector};
use tidegate_core::{
    ErrorCode,
    source::{Credentials, Endpoint, Tls, TlsMode},
};

use crate::source::{
    Product::{self, MariaDb, MySql},
    Recording, anywhere, deadline, deadline_in, single, statement,
};

#[rstest]
#[tokio::test]
async fn the_server_says_who_it_is(#[values(MariaDb, MySql)] on: Product) {
    let info = on.connector().test(deadline()).await.unwrap();
    let name = match on {
        MariaDb => "MariaDB",
        MySql => "MySQL",
    };
    assert_eq!(info.product, name);
    assert_eq!(info.version.contains("MariaDB"), on == MariaDb, "{info:?}");
}

#[rstest]
#[tokio::test]
async fn a_wrong_password_is_not_repeated(#[values(MariaDb, MySql)] on: Product) {
    let wrong = Credentials { password: "not-the-password".to_owned().into() };
    let connector = MysqlConnector::new(&on.endpoint(&on.server().database), Some(&wrong), &anywhere()).unwrap();
    let error = connector.test(deadline()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceAuthenticationFailed);
    assert!(!format!("{error:?}").contains("not-the-password"), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn a_database_of_others_is_an_authentication_failure_and_a_missing_one_too(
    #[values(MariaDb, MySql)] on: Product,
) {
    for database in ["mysql", "nowhere"] {
        let connector = MysqlConnector::new(&on.endpoint(database), Some(&on.credentials()), &anywhere()).unwrap();
        let error = connector.test(deadline()).await.unwrap_err();
        assert_eq!((error.code(), error.sqlstate()), (ErrorCode::SourceAuthenticationFailed, Some("42000")));
    }
}

#[rstest]
#[tokio::test]
async fn a_missing_database_of_ones_own_makes_the_source_unavailable(#[values(MariaDb, MySql)] on: Product) {
    let connector =
        MysqlConnector::new(&on.endpoint("tidegate_missing"), Some(&on.credentials()), &anywhere()).unwrap();
    let error = connector.test(deadline()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceUnavailable);
    assert!(error.message().contains("tidegate_missing"), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_refused_connection_is_reported_at_once_with_its_address(#[values(MariaDb, MySql)] on: Product) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = Endpoint { port: Some(port), ..on.endpoint("tidegate") };
    let connector = MysqlConnector::new(&endpoint, None, &anywhere()).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(5), connector.test(deadline())).await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceUnavailable);
    assert!(error.message().contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_server_that_does_not_answer_ends_the_call_at_the_deadline(#[values(MariaDb, MySql)] on: Product) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint { port: Some(silent.local_addr().unwrap().port()), ..on.endpoint("tidegate") };
    let connector = MysqlConnector::new(&endpoint, None, &anywhere()).unwrap();
    let error = connector.test(deadline_in(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
}

#[rstest]
#[tokio::test]
async fn a_session_is_encrypted_when_the_certificate_is_trusted(#[values(MariaDb, MySql)] on: Product) {
    let ca = on.server().ca.clone();
    for (mode, host) in [(TlsMode::VerifyFull, "127.0.0.1"), (TlsMode::VerifyCa, "localhost")] {
        let endpoint =
            Endpoint { host: host.to_owned(), tls: Tls { mode, ca: ca.clone() }, ..on.endpoint(&on.server().database) };
        let connector = MysqlConnector::new(&endpoint, Some(&on.credentials()), &anywhere()).unwrap();
        let schema = match on {
            MariaDb => "information_schema",
            MySql => "performance_schema",
        };
        let cipher =
            format!("SELECT variable_value <> '' FROM {schema}.session_status WHERE variable_name = 'ssl_cipher'");
        assert_eq!(single(&connector, &cipher).await, "Integer(1)", "{mode:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused_and_plain_text_never_taken(
    #[values(MariaDb, MySql)] on: Product,
) {
    let ca = on.server().ca.clone();
    for (mode, host, ca) in [
        (TlsMode::VerifyFull, "127.0.0.1", None),
        (TlsMode::VerifyCa, "127.0.0.1", None),
        (TlsMode::VerifyFull, "localhost", ca),
    ] {
        let endpoint = Endpoint { host: host.to_owned(), tls: Tls { mode, ca }, ..on.endpoint(&on.server().database) };
        let connector = MysqlConnector::new(&endpoint, Some(&on.credentials()), &anywhere()).unwrap();
        let error = connector.test(deadline()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::SourceUnavailable);
        assert!(error.message().contains("`tls.ca`"), "{mode:?} {host}: {error}");
    }
    let tls = Tls { ca: Some("not a certificate".to_owned()), ..Tls::default() };
    let refused =
        MysqlConnector::new(&Endpoint { tls, ..on.endpoint(&on.server().database) }, None, &anywhere()).err().unwrap();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
}

#[rstest]
#[tokio::test]
async fn a_syntax_error_names_its_line(#[values(MariaDb, MySql)] on: Product) {
    let (_, ran) = on.connector().run(statement("SELECT CAST(1 AS\nTEXT)"), deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("42000")));
    assert_eq!(error.faults().first().and_then(|fault| fault.line), Some(2), "{error:?}");
}

#[rstest]
#[tokio::test]
async fn an_unknown_table_is_an_error_of_the_database_and_the_session_goes_on(#[values(MariaDb, MySql)] on: Product) {
    let connector = on.connector_with_one_session();
    let id = single(&connector, "SELECT CONNECTION_ID()").await;
    let (recording, ran) =
        connector.run(statement("SELECT * FROM no_such_table"), deadline(), Recording::default()).await;
    let error = ran.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (ErrorCode::DatabaseError, Some("42S02")));
    assert!(error.message().contains("no_such_table"), "{error}");
    assert!(recording.columns.is_none());
    assert_eq!(single(&connector, "SELECT CONNECTION_ID()").await, id);
}
