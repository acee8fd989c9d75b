//! Which pages and names are a deployment's own.
//!
//! A page of another site has no key, but its browser may stand where others do not get: on the machine that a server
//! listens for alone. The page may even have a name that was made to lead there, so that it reads what is answered.

use axum::http::{Extensions, HeaderMap, HeaderName, Uri, header, request::Parts, uri::Authority};
use tidegate_core::{Error, ErrorCode, Result};

use crate::gateway::Gateway;

/// Refuses with `Forbidden` what a page of another site asks for, and what was sent to a name that is not among `hosts`.
pub fn expect_own(request: &Parts, hosts: &[String]) -> Result<()> {
    expect_own_origin(&request.headers, hosts)?;
    if is_sent_to(&request.headers, names(&request.extensions, hosts)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Forbidden,
        "this server does not answer to the name in `Host`: call it by one of `hosts` in its environment file, or add the \
         name there",
    ))
}

/// Refuses with `Forbidden` a page whose origin has a host that is not among `hosts`: a browser sends the origin, and other
/// clients send none (MCP, Security).
pub fn expect_own_origin(headers: &HeaderMap, hosts: &[String]) -> Result<()> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = single(headers, &header::ORIGIN).unwrap_or_default();
    let host = origin.parse::<Uri>().ok().and_then(|origin| origin.host().map(str::to_owned));
    if host.is_some_and(|host| hosts.contains(&host)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Forbidden,
        format!(
            "pages of the origin `{origin}` may not use this: call from a program, or have the operator add the host of the \
             page to `hosts` in the environment file"
        ),
    ))
}

/// The names that a request may be sent to. None stands for any: a gateway passes on only what was sent to its own names,
/// which a function does not all know.
pub fn names<'a>(request: &Extensions, hosts: &'a [String]) -> &'a [String] {
    if request.get::<Gateway>().is_some() { &[] } else { hosts }
}

/// Whether a request was sent to one of these names, or there are none.
pub fn is_sent_to(headers: &HeaderMap, names: &[String]) -> bool {
    if names.is_empty() {
        return true;
    }
    let host = single(headers, &header::HOST).and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| names.iter().any(|name| name == host.host()))
}

/// The value of a header that is there once.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn hosts() -> Vec<String> {
        ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec()
    }

    #[test]
    fn programs_and_own_pages_are_answered() {
        for headers in [
            &[("host", "127.0.0.1:9000")][..],
            &[("host", "localhost")],
            &[("host", "[::1]:9000"), ("origin", "http://[::1]:9000")],
            &[("host", "localhost:9000"), ("origin", "https://localhost:6274")],
        ] {
            expect_own(&request(headers), &hosts()).unwrap();
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        for origin in
            ["http://evil.example", "null", "", "http://localhost.evil.example", "http://127.0.0.1@evil.example"]
        {
            let error = expect_own(&request(&[("host", "localhost"), ("origin", origin)]), &hosts()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Forbidden, "{origin}");
            assert!(error.message().contains(&format!("the origin `{origin}` may not")), "{error}");
        }
        let two = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.example")];
        assert_eq!(expect_own(&request(&two), &hosts()).unwrap_err().code(), ErrorCode::Forbidden);
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_refused_unless_a_gateway_passed_it_on() {
        for headers in [
            &[("host", "evil.example:9000")][..],
            &[("host", "localhost.evil.example")],
            &[("host", "localhost"), ("host", "evil.example")],
            &[],
        ] {
            let mut request = request(headers);
            assert_eq!(expect_own(&request, &hosts()).unwrap_err().code(), ErrorCode::Forbidden, "{headers:?}");
            request.extensions.insert(Gateway::LAMBDA_BUFFERED);
            expect_own(&request, &hosts()).unwrap();
        }
        // Its page says where it is from, whatever passes it on.
        let mut page = request(&[("host", "evil.example"), ("origin", "http://evil.example")]);
        page.extensions.insert(Gateway::LAMBDA_BUFFERED);
        assert_eq!(expect_own(&page, &hosts()).unwrap_err().code(), ErrorCode::Forbidden);
    }
}
