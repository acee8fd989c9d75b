//! A server on loopback that speaks the JSON protocol of AWS, for the tests of the clients.

use std::sync::{Arc, Mutex};

use aws_smithy_http_client::Builder;
use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A running server, which ends when this is dropped.
pub(crate) struct StandIn {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
    _server: AbortOnDropHandle<()>,
}

impl StandIn {
    /// Starts a server that answers an operation and its request with a status and a body.
    pub(crate) async fn new(answer: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted) = (Arc::new(answer), Arc::clone(&calls));
        let router = Router::new().fallback(move |headers: HeaderMap, body: String| async move {
            assert!(headers[header::AUTHORIZATION].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 "));
            let target = headers["x-amz-target"].to_str().unwrap();
            let operation = target.split_once('.').unwrap().1;
            noted.lock().unwrap().push(operation.to_owned());
            let (status, body) = answer(operation, &serde_json::from_str(&body).unwrap());
            (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, calls, _server: AbortOnDropHandle::new(server) }
    }

    /// The operations that were called, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The configuration of a client of this server.
    pub(crate) fn config(&self) -> aws_types::SdkConfig {
        use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
        use aws_types::SdkConfig;

        let (retries, timeouts) = crate::dynamo::patience();
        let credentials =
            Credentials::builder().access_key_id("test").secret_access_key("test").provider_name("test").build();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(Builder::new().build_http())
            .endpoint_url(&self.url)
            .retry_config(retries)
            .timeout_config(timeouts)
            .build()
    }
}
