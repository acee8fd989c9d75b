//! The host of a source: which of its addresses a session is opened to.

use std::net::SocketAddr;

use sqlx::ConnectOptions;
use tidegate_core::{
    Error, ErrorCode, Result,
    network::SourceNetworks,
    source::{Endpoint, TlsMode},
};
use tokio::net::lookup_host;

/// The host of a source, and where it may be.
///
/// A name is resolved for every session, and whoever owns the name may change its addresses between two resolutions.
/// So a session is opened to an address that was checked and not to the name. Only where the server's certificate has
/// to name the host does the driver need the name, and resolves it again. An address that is not allowed could then be
/// reached, but it gets no login and no statement unless it has the certificate of the name.
pub(crate) struct Host {
    name: String,
    port: u16,
    networks: SourceNetworks,
    is_verified_by_name: bool,
}

impl Host {
    pub(crate) fn new(endpoint: &Endpoint, port: u16, networks: &SourceNetworks) -> Self {
        Self {
            name: endpoint.host.clone(),
            port,
            networks: networks.clone(),
            is_verified_by_name: endpoint.tls.mode == TlsMode::VerifyFull,
        }
    }

    /// Opens a connection with the driver's options, whose host `set_host` sets; to the next address of the host while
    /// one does not answer. `explain` makes the driver's failure an error.
    ///
    /// `SourceUnavailable` when the host has no address, or one that is not allowed. Which address that is stays
    /// private: the names of a private network are not for its tenants.
    pub(crate) async fn connect<O: ConnectOptions<Connection: Sized>>(
        &self,
        options: &O,
        set_host: fn(O, &str) -> O,
        explain: impl FnOnce(sqlx::Error) -> Error,
    ) -> Result<O::Connection> {
        let mut outcome = Err(sqlx::Error::Io(std::io::ErrorKind::AddrNotAvailable.into()));
        for host in self.permitted().await? {
            outcome = set_host(options.clone(), &host).connect().await;
            if !matches!(outcome, Err(sqlx::Error::Io(_))) {
                break;
            }
        }
        outcome.map_err(explain)
    }

    /// What to name to the driver, each after the one before did not answer.
    async fn permitted(&self) -> Result<Vec<String>> {
        let addresses = self.addresses().await?;
        if self.is_verified_by_name {
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

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

    #[tokio::test]
    async fn a_name_without_an_address_is_said_to_have_none() {
        let error = host("nowhere.invalid", TlsMode::Off, &[]).permitted().await.unwrap_err();
        assert!(error.message().contains("no address") && error.is_while_connecting(), "{error}");
    }
}
