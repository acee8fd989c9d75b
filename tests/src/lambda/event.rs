//! Events of an HTTP API and of a function URL (payload 2.0).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

/// An event under construction.
#[derive(Clone, Debug)]
pub struct Event(Json);

/// One that is no request.
impl From<Json> for Event {
    fn from(event: Json) -> Self {
        Self(event)
    }
}

impl Event {
    /// A request to an HTTP API without a body.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self(json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"host": "localhost", "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"},
            "requestContext": {
                "accountId": "123456789012", "apiId": "abcdefghij",
                "domainName": "abcdefghij.execute-api.eu-west-1.amazonaws.com", "domainPrefix": "abcdefghij",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                         "userAgent": "tests"},
                "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
                "time": "20/Nov/2026:11:00:00 +0000", "timeEpoch": 1_795_172_400_000_u64,
            },
            "isBase64Encoded": false,
        }))
    }

    /// The same request to a function URL.
    #[must_use]
    pub fn over_url(self) -> Self {
        self.with("/requestContext/domainName", json!("abcdefghij.lambda-url.eu-west-1.on.aws"))
    }

    /// The same event with a member at a JSON pointer set.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: Json) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.0.pointer_mut(parent).unwrap()[name] = value;
        self
    }

    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(&format!("/headers/{name}"), json!(value))
    }

    /// The same request by the owner of an API key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// The same request by whom a token names, which the gateway has verified.
    #[must_use]
    pub fn token(self, text: &str, claims: &Json) -> Self {
        self.key(text).with("/requestContext/authorizer", json!({"jwt": {"claims": claims, "scopes": null}}))
    }

    /// The same request with a body that is text.
    #[must_use]
    pub fn body(self, text: impl fmt::Display) -> Self {
        self.header("content-type", "application/json").with("/body", json!(text.to_string()))
    }

    /// The same request with a body that the gateway has encoded.
    #[must_use]
    pub fn encoded_body(self, bytes: &[u8]) -> Self {
        self.header("content-type", "application/json")
            .with("/body", json!(STANDARD.encode(bytes)))
            .with("/isBase64Encoded", json!(true))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The bytes of an answer's body.
pub(super) fn body(text: &Json, is_encoded: bool) -> Vec<u8> {
    let text = text.as_str().unwrap();
    if is_encoded { STANDARD.decode(text).unwrap() } else { text.as_bytes().to_vec() }
}
