//! The events of an HTTP API and of a function URL (payload 2.0) as requests, and answers in their terms.
//!
//! An event is what the gateway wrote, so one that makes no request is a fault of the deployment, not of the caller.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    net::IpAddr,
};

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{COOKIE, HOST, SET_COOKIE},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value as Json};
use tidegate_core::{Error, Result};

use crate::principal::VerifiedClaims;

/// The stage of an HTTP API that does not show in paths.
const DEFAULT_STAGE: &str = "$default";

/// What of an event makes a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    raw_path: String,
    /// AWS writes an empty text when there is none, cargo-lambda null.
    raw_query_string: Option<String>,
    /// One value for each name: the gateway joins those that repeat by a comma.
    #[serde(default, deserialize_with = "header_map")]
    headers: HeaderMap,
    cookies: Option<Vec<String>>,
    request_context: EventContext,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventContext {
    domain_name: Option<String>,
    stage: Option<String>,
    http: EventHttp,
    /// What the gateway found out about the caller. No client can write here.
    authorizer: Option<Authorizer>,
}

#[derive(Debug, Deserialize)]
struct Authorizer {
    /// There when it checked a token.
    jwt: Option<JwtAuthorizer>,
}

#[derive(Debug, Deserialize)]
struct JwtAuthorizer {
    #[serde(default)]
    claims: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventHttp {
    method: String,
    #[serde(default, deserialize_with = "address")]
    source_ip: Option<IpAddr>,
}

impl Event {
    /// Whether it came over a function URL. Lambda makes its domain; no HTTP API has one like it.
    pub(super) fn is_of_url(&self) -> bool {
        self.request_context.domain_name.as_ref().is_some_and(|name| name.contains(".lambda-url."))
    }

    /// The address at the other end of the connection to the gateway.
    pub(super) fn source_address(&self) -> Option<IpAddr> {
        self.request_context.http.source_ip
    }

    /// The request, without what paths begin with that is not the router's. `Internal` when the event is malformed.
    pub(super) fn into_request(mut self, base_paths: &[String]) -> Result<Request> {
        // Before a function URL stands nothing that checks tokens.
        let authorizer = self.request_context.authorizer.take().filter(|_| !self.is_of_url());
        let EventContext { domain_name, stage, http, .. } = self.request_context;
        // A stage other than the default one begins the path, and a base path of a custom domain comes before it.
        let stage = stage.filter(|stage| stage != DEFAULT_STAGE).map(|stage| format!("/{stage}"));
        let path = base_paths.iter().chain(&stage).fold(&*self.raw_path, |path, prefix| without(path, prefix));
        let body = match self.body {
            Some(text) if self.is_base64_encoded => Body::from(STANDARD.decode(text).map_err(malformed)?),
            Some(text) => Body::from(text),
            None => Body::empty(),
        };
        let mut request = Request::builder()
            .method(Method::from_bytes(http.method.as_bytes()).map_err(malformed)?)
            .uri(target(path, self.raw_query_string.as_deref().unwrap_or_default()))
            .body(body)
            .map_err(malformed)?;
        let mut headers = self.headers;
        let host = domain_name.filter(|_| !headers.contains_key(HOST));
        let cookies = self.cookies.map(|cookies| cookies.join("; "));
        for (name, value) in [(HOST, host), (COOKIE, cookies)] {
            headers.extend(value.and_then(|value| HeaderValue::try_from(value).ok()).map(|value| (name, value)));
        }
        *request.headers_mut() = headers;
        if let Some(JwtAuthorizer { claims }) = authorizer.and_then(|it| it.jwt) {
            request.extensions_mut().insert(VerifiedClaims(claims));
        }
        Ok(request)
    }
}

/// Reads an address. What is none is nobody's, and no reason to refuse an event whose address nobody asks for.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

/// Reads headers. One that HTTP does not know cannot have been sent, so it is left out.
fn header_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
    struct Headers;

    impl<'de> Visitor<'de> for Headers {
        type Value = HeaderMap;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("headers, each a text")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<HeaderMap, A::Error> {
            let mut headers = HeaderMap::with_capacity(members.size_hint().unwrap_or(32));
            while let Some((name, value)) = members.next_entry::<String, String>()? {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    headers.append(name, value);
                }
            }
            Ok(headers)
        }
    }
    deserializer.deserialize_map(Headers)
}

/// The answer to an event, in one piece.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole {
    status_code: u16,
    #[serde(serialize_with = "as_text")]
    headers: HeaderMap,
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

impl Whole {
    pub(super) fn new(status_code: u16, headers: HeaderMap, body: Vec<u8>) -> Self {
        let (headers, cookies) = split_cookies(headers);
        let (body, is_base64_encoded) = match String::from_utf8(body) {
            Ok(text) => (text, false),
            Err(not_text) => (STANDARD.encode(not_text.as_bytes()), true),
        };
        Self { status_code, headers, cookies, body, is_base64_encoded }
    }
}

/// The headers with one value for each name, and the cookies, which an answer carries apart.
pub(super) fn split_cookies(mut headers: HeaderMap) -> (HeaderMap, Vec<String>) {
    let cookies = headers.get_all(SET_COOKIE).iter().map(|value| text(value).into_owned()).collect();
    headers.remove(SET_COOKIE);
    if headers.keys_len() == headers.len() {
        return (headers, cookies);
    }
    let mut joined = HeaderMap::with_capacity(headers.len());
    for name in headers.keys() {
        let values: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        // Values of headers joined by a comma are a value of a header.
        joined.extend(HeaderValue::from_bytes(&values.join(&b", "[..])).ok().map(|value| (name.clone(), value)));
    }
    (joined, cookies)
}

fn as_text<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name.as_str(), text(value))))
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

fn malformed(what: impl std::fmt::Display) -> Error {
    Error::internal(format_args!("the event of the gateway is malformed: {what}"))
}

fn without<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// A path and a query as one URI. An HTTP API gives the path decoded and a function URL as it was sent: what cannot
/// stand in a URI is encoded, and what is encoded stays.
fn target(path: &str, query: &str) -> String {
    let mut target = String::with_capacity(path.len() + query.len() + 1);
    push_encoded(&mut target, path, b"/:@!$&'()*+,;=-._~%");
    if !query.is_empty() {
        target.push('?');
        push_encoded(&mut target, query, b"/:@!$&'()*+,;=-._~%?");
    }
    target
}

fn push_encoded(target: &mut String, text: &str, allowed: &[u8]) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || allowed.contains(&byte) {
            target.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::header};
    use serde_json::json;

    use super::*;

    /// An event with some members replaced.
    fn event(with: Json) -> Event {
        let mut event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/v1/me", "rawQueryString": "", "headers": {},
            "requestContext": {"domainName": "api.example.com", "stage": "$default",
                               "http": {"method": "GET", "path": "/v1/me"}},
            "isBase64Encoded": false,
        });
        for (name, value) in with.as_object().unwrap() {
            event[name] = value.clone();
        }
        serde_json::from_value(event).unwrap()
    }

    fn request(with: Json) -> Request {
        event(with).into_request(&["/tidegate".to_owned()]).unwrap()
    }

    #[test]
    fn a_prefix_is_taken_off_where_it_is_a_whole_part_of_the_path() {
        let context = json!({"stage": "prod", "http": {"method": "GET"}});
        for (path, rest) in [
            ("/prod/v1/me", "/v1/me"),
            ("/prod", "/"),
            ("/production/v1", "/production/v1"),
            ("/v1", "/v1"),
            ("/tidegate/v1/me", "/v1/me"),
            ("/tidegate/prod/v1/me", "/v1/me"),
            ("/prod/prod", "/prod"),
        ] {
            let request = request(json!({"rawPath": path, "requestContext": context}));
            assert_eq!(request.uri(), rest);
        }
    }

    #[test]
    fn a_path_is_a_uri_whether_the_gateway_decoded_it_or_not() {
        for (path, query, uri) in [
            ("/v1/a%20b", "", "/v1/a%20b"),
            ("/v1/a b", "x=a%20b&x=c d", "/v1/a%20b?x=a%20b&x=c%20d"),
            ("/v1/\u{e9}", "q=\u{e9}", "/v1/%C3%A9?q=%C3%A9"),
            ("/v1/a?b#c", "d?e#f", "/v1/a%3Fb%23c?d?e%23f"),
            ("/v1/100%", "", "/v1/100%"),
            ("/v1/\u{1}\"<>{}|\\^`[]", "", "/v1/%01%22%3C%3E%7B%7D%7C%5C%5E%60%5B%5D"),
        ] {
            assert_eq!(request(json!({"rawPath": path, "rawQueryString": query})).uri(), uri);
        }
        assert_eq!(request(json!({"rawQueryString": null})).uri(), "/v1/me");
    }

    #[tokio::test]
    async fn a_body_is_text_or_base64() {
        let post = json!({"http": {"method": "POST"}});
        for (body, encoded, bytes) in [
            (json!("{\"a\":1}"), false, &b"{\"a\":1}"[..]),
            (json!("/w=="), true, &[255]),
            (json!(""), true, b""),
            (Json::Null, false, b""),
        ] {
            let request = request(json!({"body": body, "isBase64Encoded": encoded, "requestContext": post}));
            assert_eq!(request.method(), Method::POST);
            assert_eq!(&*to_bytes(request.into_body(), 100).await.unwrap(), bytes);
        }
    }

    #[test]
    fn headers_are_taken_and_cookies_joined() {
        let headers = json!({"accept": "a, b", "HOST": "x.test", "bad name": "v", "bad-value": "a\nb"});
        let request = request(json!({"headers": headers, "cookies": ["c=1", "d=2"]}));
        let headers = request.headers();
        assert_eq!(
            (&headers[header::ACCEPT], &headers[HOST], &headers[COOKIE]),
            (
                &HeaderValue::from_static("a, b"),
                &HeaderValue::from_static("x.test"),
                &HeaderValue::from_static("c=1; d=2")
            )
        );
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn the_source_address_is_that_of_the_connection() {
        let headers = json!({"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.1"});
        for (http, expected) in [
            (json!({"method": "GET", "sourceIp": "192.0.2.1"}), Some("192.0.2.1")),
            (json!({"method": "GET", "sourceIp": "2001:db8::1"}), Some("2001:db8::1")),
            (json!({"method": "GET", "sourceIp": null}), None),
            (json!({"method": "GET", "sourceIp": ""}), None),
            (json!({"method": "GET", "sourceIp": "test-invoke-source-ip"}), None),
            (json!({"method": "GET"}), None),
        ] {
            let event = event(json!({"headers": headers, "requestContext": {"http": http}}));
            assert_eq!(event.source_address(), expected.map(|address| address.parse().unwrap()));
        }
    }

    #[test]
    fn an_event_without_a_host_has_its_domain() {
        assert_eq!(request(json!({})).headers()[HOST], "api.example.com");
    }

    #[test]
    fn what_the_gateway_verified_of_a_token_is_there() {
        let claims = json!({"sub": "auth0|1", "groups": "[a b]", "exp": 1_795_172_400});
        let context = json!({"http": {"method": "GET"}, "authorizer": {"jwt": {"claims": claims, "scopes": null}}});
        let request = request(json!({"requestContext": context}));
        let claims = request.extensions().get::<VerifiedClaims>().unwrap();
        let texts = ["sub", "groups", "exp", "iss"].map(|name| claims.text(name));
        assert_eq!(texts, [Some("auth0|1"), Some("[a b]"), None, None]);
    }

    #[test]
    fn nothing_but_the_gateway_of_an_http_api_makes_claims() {
        let claims = json!({"jwt": {"claims": {"sub": "1", "tidegate_tenant": "demo", "tidegate_role": "owner"}}});
        let context = |authorizer: &Json| json!({"http": {"method": "GET"}, "authorizer": authorizer});
        let with_authorizer = |authorizer| json!({"requestContext": context(&authorizer)});
        let mut over_url = context(&claims);
        over_url["domainName"] = json!("abc.lambda-url.eu-west-1.on.aws");
        for with in [
            json!({"headers": {"authorizer": claims.to_string(), "x-amzn-request-context": context(&claims).to_string()}}),
            json!({"rawQueryString": "requestContext.authorizer.jwt.claims.sub=1", "authorizer": claims}),
            json!({"body": json!({"requestContext": context(&claims)}).to_string()}),
            json!({"requestContext": over_url}),
            with_authorizer(Json::Null),
            with_authorizer(json!({})),
            with_authorizer(json!({"iam": {"accessKey": "1"}})),
            with_authorizer(json!({"lambda": claims})),
        ] {
            assert!(request(with.clone()).extensions().get::<VerifiedClaims>().is_none(), "{with}");
        }
    }

    #[test]
    fn a_malformed_event_is_an_error() {
        for with in [
            json!({"body": "!", "isBase64Encoded": true}),
            json!({"requestContext": {"http": {"method": "G T"}}}),
            json!({"rawPath": "/".repeat(70_000)}),
            json!({"rawPath": ""}),
        ] {
            let error = event(with.clone()).into_request(&[]).map(|request| request.uri().clone()).unwrap_err();
            assert!(format!("{error:?}").contains("malformed"), "{with:?}: {error:?}");
        }
    }

    #[test]
    fn headers_that_repeat_are_joined_and_cookies_are_apart() {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::VARY, "a"), (header::VARY, "b"), (SET_COOKIE, "c=1"), (SET_COOKIE, "d=2")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let written = serde_json::to_value(Whole::new(200, headers, b"\xff".to_vec())).unwrap();
        let expected = json!({"statusCode": 200, "headers": {"vary": "a, b"}, "cookies": ["c=1", "d=2"],
                              "body": "/w==", "isBase64Encoded": true});
        assert_eq!(written, expected);
    }
}
