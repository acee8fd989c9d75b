//! What protects a connection, and that nothing weaker takes its place.

use std::{io::Read, io::Write, net::TcpListener, thread};

use serde_json::json;
use tidegate_connectors::{Connector, postgres::PostgresConnector};
use tidegate_core::{
    ErrorCode,
    source::{Endpoint, Tls, TlsMode},
};

use crate::fixture::{anywhere, credentials, endpoint, rows, soon};

fn connector(host: &str, mode: TlsMode, ca: Option<&String>) -> PostgresConnector {
    let endpoint = Endpoint { host: host.to_owned(), tls: Tls { mode, ca: ca.cloned() }, ..endpoint() };
    PostgresConnector::new(&endpoint, Some(&credentials()), &anywhere()).unwrap()
}

#[tokio::test]
async fn a_certificate_is_verified_with_its_authority_and_its_name() {
    // A server that a variable named keeps its authority to itself.
    let Some(ca) = test_servers::postgres().ca.as_ref() else { return };
    for (host, mode) in
        [("127.0.0.1", TlsMode::VerifyFull), ("127.0.0.1", TlsMode::VerifyCa), ("localhost", TlsMode::VerifyCa)]
    {
        let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(rows(&connector(host, mode, Some(ca)), encrypted).await, [[json!(true)]], "{host} {mode:?}");
    }
    for (host, mode, ca) in [
        ("localhost", TlsMode::VerifyFull, Some(ca)),
        ("127.0.0.1", TlsMode::VerifyFull, None),
        ("127.0.0.1", TlsMode::VerifyCa, None),
    ] {
        let error = connector(host, mode, ca).test(soon()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::SourceUnavailable);
        assert!(error.message().contains("give its certificate authority in `tls.ca`"), "{host} {mode:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_nothing() {
    const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; TLS_REQUEST.len()];
            client.read_exact(&mut request).unwrap();
            client.write_all(b"N").unwrap();
            let mut more = Vec::new();
            client.read_to_end(&mut more).unwrap();
            (request, more)
        });
        let endpoint = Endpoint { port: Some(port), tls: Tls { mode, ca: None }, ..endpoint() };
        let connector = PostgresConnector::new(&endpoint, Some(&credentials()), &anywhere()).unwrap();
        let error = connector.test(soon()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::SourceUnavailable);
        assert!(error.message().contains("offers no TLS"), "{error}");
        assert_eq!(server.join().unwrap(), (TLS_REQUEST, Vec::new()));
    }
}
