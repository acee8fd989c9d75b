//! From which address a call comes, and whether the deployment answers it.

use std::net::IpAddr;

use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    serve::IncomingStream,
};
use tidegate_core::{Error, ErrorCode, Result, network::CallerNetworks};
use tokio::net::TcpListener;

/// The path that answers every address: it says that the process runs, and nothing else.
const ANSWERS_ALL: &str = "/health";

/// The address that a call comes from: the other end of the connection to this process, or to the gateway before it. It
/// travels in the extensions of a request, as `ConnectInfo`. It is never that of a header, which anybody can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerAddress(pub IpAddr);

impl Connected<IncomingStream<'_, TcpListener>> for CallerAddress {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(stream.remote_addr().ip())
    }
}

/// Refuses a call from an address that is not answered. `Forbidden`.
pub(crate) fn expect_answered(networks: &CallerNetworks, request: &Request) -> Result<()> {
    if networks.is_unlimited() || request.uri().path() == ANSWERS_ALL {
        return Ok(());
    }
    let address = request.extensions().get::<ConnectInfo<CallerAddress>>().map(|info| info.0.0);
    if address.is_some_and(|address| networks.permit(address)) {
        return Ok(());
    }
    let address = address.map_or_else(|| "(unknown)".to_owned(), |address| address.to_canonical().to_string());
    Err(Error::new(
        ErrorCode::Forbidden,
        format!(
            "this deployment does not answer your address {address}: call it by the URL that its operator gave you, or \
             have the address added to `caller_networks.allow` of the environment"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn refusal(allow: &[&str], address: Option<&str>, path: &str) -> Option<String> {
        let networks = CallerNetworks { allow: allow.iter().map(|range| range.parse().unwrap()).collect() };
        // What a caller writes of itself makes no difference.
        let mut request = Request::get(path).header("x-forwarded-for", "10.0.0.1").body(Body::empty()).unwrap();
        if let Some(address) = address {
            request.extensions_mut().insert(ConnectInfo(CallerAddress(address.parse().unwrap())));
        }
        let error = expect_answered(&networks, &request).err()?;
        assert_eq!(error.code(), ErrorCode::Forbidden);
        Some(error.message().to_owned())
    }

    #[test]
    fn an_address_outside_of_the_ranges_is_told_so() {
        for address in ["10.0.0.1", "10.255.255.255", "::ffff:10.0.0.1"] {
            assert_eq!(refusal(&["10.0.0.0/8"], Some(address), "/v1/me"), None, "{address}");
        }
        for (address, told) in [
            (Some("192.0.2.1"), "192.0.2.1"),
            (Some("::ffff:192.0.2.1"), "192.0.2.1"),
            (Some("2001:db8::1"), "2001:db8::1"),
            (None, "(unknown)"),
        ] {
            let message = refusal(&["10.0.0.0/8"], address, "/v1/me").unwrap();
            assert!(
                message.starts_with(&format!("this deployment does not answer your address {told}: ")),
                "{message}"
            );
        }
    }

    #[test]
    fn every_address_is_answered_without_ranges() {
        for address in [Some("192.0.2.1"), None] {
            assert_eq!(refusal(&[], address, "/v1/me"), None);
        }
    }

    #[test]
    fn health_and_nothing_like_it_answers_every_address() {
        assert_eq!(refusal(&["10.0.0.0/8"], Some("192.0.2.1"), "/health?x=1"), None);
        for path in ["/health/", "/health/ready", "/healthy", "//health", "/v1/health", "/HEALTH"] {
            assert!(refusal(&["10.0.0.0/8"], Some("192.0.2.1"), path).is_some(), "{path}");
        }
    }
}
