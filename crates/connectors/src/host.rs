//! The host of a source: which of its addresses a session is opened to.

use std::{
    fmt::Display,
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use sqlx::ConnectOptions;
use tidegate_core::{
    Error, ErrorCode, Result,
    network::SourceNetworks,
    source::{Endpoint, TlsMode},
};
use tokio::{net::lookup_host, time::timeout};

/// The host of a source, and where it may be.
///
/// A name is resolved for every session, and whoever owns the name may change its addresses between two resolutions.
/// So a session is opened to an address that was checked and not to the name. Only where the server's certificate has
/// to name the host does the driver need the name, and resolves it again. An address that is not allowed could then be
/// reached, but it gets no login and no statement unless it has the certificate of the name; and what was found at it is
/// not told, for then the port of every machine that this one reaches could be asked after.
pub(crate) struct Host {
    name: String,
    port: u16,
    networks: SourceNetworks,
    /// Whether the driver resolves the name by itself, because the certificate has to name it.
    is_resolved_by_driver: bool,
}

impl Host {
    pub(crate) fn new(endpoint: &Endpoint, port: u16, networks: &SourceNetworks) -> Self {
        Self {
            name: endpoint.host.clone(),
            port,
            networks: networks.clone(),
            is_resolved_by_driver: endpoint.tls.mode == TlsMode::VerifyFull && endpoint.host.parse::<IpAddr>().is_err(),
        }
    }

    /// Opens a connection with the driver's options, whose host `set_host` sets; to the next address of the host when one
    /// does not answer in its share of the time until `until`. Only the last may take longer. `explain` makes the driver's
    /// failure an error.
    ///
    /// `SourceUnavailable` when the host has no address, or one that is not allowed. Which address that is stays
    /// private: the names of a private network are not for its tenants.
    pub(crate) async fn connect<O: ConnectOptions<Connection: Sized>>(
        &self,
        options: &O,
        set_host: fn(O, &str) -> O,
        until: Instant,
        explain: impl FnOnce(sqlx::Error) -> Error,
    ) -> Result<O::Connection> {
        let hosts = self.permitted().await?;
        first_that_answers(&hosts, options, set_host, until).await.map_err(explain)
    }

    /// Whether what the driver found may be of an address that was not checked, and be told to somebody who may not know.
    /// A certificate or a server's own words are told.
    pub(crate) fn conceals(&self, failure: &sqlx::Error) -> bool {
        let is_of_the_network = match failure {
            sqlx::Error::Io(failure) => failure.kind() != io::ErrorKind::InvalidData,
            sqlx::Error::Protocol(_) => true,
            _ => false,
        };
        is_of_the_network && self.is_resolved_by_driver && self.networks != SourceNetworks::everywhere()
    }

    /// The error of a connection of which no more is told.
    pub(crate) fn unreached(&self, failure: impl Display) -> Error {
        let message = format!(
            "{}:{} gives no connection; check the host, the port and the firewall between, and that a database of the \
             source's kind answers there",
            self.name, self.port
        );
        Error::new(ErrorCode::SourceUnavailable, message).with_context(failure)
    }

    /// What to name to the driver, each after the one before did not answer.
    async fn permitted(&self) -> Result<Vec<String>> {
        let addresses = self.addresses().await?;
        if self.is_resolved_by_driver {
            return Ok(vec![self.name.clone()]);
        }
        Ok(addresses.iter().map(|address| address.ip().to_string()).collect())
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let found = lookup_host((self.name.as_str(), self.port)).await;
        let addresses: Vec<_> = found.map_err(|failure| self.unresolved().with_context(failure))?.collect();
        if addresses.is_empty() {
            return Err(self.unresolved());
        }
        match addresses.iter().find(|address| !self.networks.permit(address.ip())) {
            None => Ok(addresses),
            Some(forbidden) => Err(self.forbidden().with_context(forbidden)),
        }
    }

    fn unresolved(&self) -> Error {
        let message = format!("{}:{} cannot be reached: its name has no address; check the host", self.name, self.port);
        Error::new(ErrorCode::SourceUnavailable, message).while_connecting()
    }

    fn forbidden(&self) -> Error {
        let message = format!(
            "{}:{} is not allowed here: its address is in a private, local or reserved network; name a host on the \
             internet, or have the network added to `source_networks.allow` of the environment",
            self.name, self.port
        );
        Error::new(ErrorCode::SourceUnavailable, message).while_connecting()
    }
}

/// Connects to one host after the other.
async fn first_that_answers<O: ConnectOptions<Connection: Sized>>(
    hosts: &[String],
    options: &O,
    set_host: fn(O, &str) -> O,
    until: Instant,
) -> sqlx::Result<O::Connection> {
    let mut outcome = Err(sqlx::Error::Io(io::ErrorKind::AddrNotAvailable.into()));
    for (host, left) in hosts.iter().zip((1..=hosts.len()).rev()) {
        let patience = match u32::try_from(left) {
            Ok(left @ 2..) => until.saturating_duration_since(Instant::now()) / left,
            // The caller's own limit ends the last.
            _ => Duration::MAX,
        };
        let options = set_host(options.clone(), host);
        let connected = timeout(patience, options.connect()).await;
        outcome = connected.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())));
        if !matches!(outcome, Err(sqlx::Error::Io(_))) {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tidegate_core::source::Tls;

    use super::*;

    fn host(name: &str, mode: TlsMode, allow: &[&str]) -> Host {
        let endpoint = Endpoint {
            host: name.to_owned(),
            port: None,
            database: String::new(),
            user: String::new(),
            tls: Tls { mode, ca: None },
            max_sessions: 1,
        };
        let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
        Host::new(&endpoint, 5432, &SourceNetworks { allow })
    }

    #[tokio::test]
    async fn whatever_stands_for_this_machine_is_refused_without_its_address() {
        for name in [
            "localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "64:ff9b::7f00:1",
        ] {
            for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa, TlsMode::Off] {
                let error = host(name, mode, &["10.0.0.0/8"]).permitted().await.unwrap_err();
                assert_eq!(error.code(), ErrorCode::SourceUnavailable, "{name}");
                assert!(error.message().contains("`source_networks.allow`"), "{name}: {error}");
                assert!(name.contains("127.0.0.1") || !error.message().contains("127.0.0.1"), "{name}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
        for name in ["localhost", "0x7f.1"] {
            for mode in [TlsMode::VerifyCa, TlsMode::Off] {
                let hosts = host(name, mode, &["127.0.0.0/8", "::1/128"]).permitted().await.unwrap();
                assert!(!hosts.is_empty());
                for host in hosts {
                    let address: IpAddr = host.parse().expect("an address");
                    assert!(address.is_loopback(), "{name}: {address}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_certificate_is_verified_with_the_name() {
        let host = host("localhost", TlsMode::VerifyFull, &["127.0.0.0/8", "::1/128"]);
        assert_eq!(host.permitted().await.unwrap(), ["localhost"]);
    }

    /// Whoever owns a name could otherwise ask after the ports of every machine that this one reaches.
    #[test]
    fn what_the_driver_found_by_itself_is_not_told() {
        let found = || {
            [
                sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into()),
                sqlx::Error::Io(io::ErrorKind::TimedOut.into()),
                sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into()),
                sqlx::Error::Protocol("unexpected response from SSLRequest: 0x48 (H)".to_owned()),
            ]
        };
        let named = host("db.example.com", TlsMode::VerifyFull, &["10.0.0.0/8"]);
        let told: HashSet<_> = found().iter().map(|failure| named.unreached(failure).message().to_owned()).collect();
        assert!(found().iter().all(|failure| named.conceals(failure)) && told.len() == 1, "{told:?}");

        let certificate = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer");
        assert!(!named.conceals(&sqlx::Error::Io(certificate)));
        let checked = host("db.example.com", TlsMode::VerifyCa, &["10.0.0.0/8"]);
        let address = host("192.0.2.1", TlsMode::VerifyFull, &["192.0.2.0/24"]);
        let mut unruled = host("db.example.com", TlsMode::VerifyFull, &[]);
        unruled.networks = SourceNetworks::everywhere();
        for host in [checked, address, unruled] {
            assert!(!found().iter().any(|failure| host.conceals(failure)), "{}", host.name);
        }
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn an_address_that_keeps_silent_leaves_time_for_the_next() {
        use sqlx::postgres::{PgConnectOptions, PgSslMode};

        let server = test_servers::postgres();
        let _silent = std::net::TcpListener::bind(("127.0.0.2", server.port)).unwrap();
        let options = PgConnectOptions::new_without_pgpass()
            .port(server.port)
            .username(&server.user)
            .password(&server.password)
            .database(&server.database)
            .ssl_mode(PgSslMode::Disable);
        let hosts = ["127.0.0.2", "127.0.0.2", "127.0.0.1"].map(str::to_owned);
        let limit = Duration::from_secs(3);
        let connecting = first_that_answers(&hosts, &options, PgConnectOptions::host, Instant::now() + limit);
        timeout(limit, connecting).await.expect("no time was left").unwrap();
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_said_to_have_none() {
        let error = host("nowhere.invalid", TlsMode::Off, &[]).permitted().await.unwrap_err();
        assert!(error.message().contains("no address") && error.is_while_connecting(), "{error}");
    }
}
