//! The HTTP client of the API.

mod problem;

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;
use reqwest::{Method, RequestBuilder, Response, Url, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value as Json;

pub(crate) use problem::Problem;

use crate::failure::Failure;

/// A query may run for minutes; its own deadline ends it earlier.
const LONGEST_CALL: Duration = Duration::from_secs(15 * 60);

/// Where the API is and who is calling.
#[derive(Args, Debug)]
pub(crate) struct ApiArguments {
    /// The address of the API, such as https://tidegate.example.com
    ///
    /// Without it, the `tidegate dev` that runs in this folder is used.
    #[arg(long, env = "TIDEGATE_URL", value_name = "URL", help_heading = "Connection")]
    url: Option<Url>,
    /// The API key
    ///
    /// Other users of this machine can read a command line: the environment variable is the better place.
    #[arg(long, env = "TIDEGATE_API_KEY", value_name = "KEY", hide_env_values = true, help_heading = "Connection")]
    key: Option<SecretString>,
    /// The data folder of `tidegate dev`, whose address and key are used when none are given
    #[arg(long, value_name = "FOLDER", default_value = ".tidegate", help_heading = "Connection")]
    data_dir: PathBuf,
}

/// What `tidegate dev` writes down for the other commands.
#[derive(Deserialize)]
struct LocalServer {
    base_url: String,
    api_key: SecretString,
}

impl ApiArguments {
    /// The address and the key. The key of a local server is for that server alone.
    fn resolve(&self) -> Result<(Url, SecretString), Failure> {
        match (self.url.clone(), self.key.clone()) {
            (Some(url), Some(key)) => Ok((url, key)),
            (None, Some(_)) => Err(Failure::message(
                "there is a key but no address: give --url or set TIDEGATE_URL as well, or drop the key to use the \
                 local server's",
            )),
            (None, None) => self.data_dir_server()?.ok_or_else(|| {
                Failure::message(
                    "no server: start `tidegate dev` in this folder, or give --url and --key (TIDEGATE_URL and \
                     TIDEGATE_API_KEY)",
                )
            }),
            (Some(url), None) => match self.data_dir_server()? {
                Some((local, key)) if local == url => Ok((url, key)),
                _ => {
                    Err(Failure::message(format!("there is no API key for {url}: give --key or set TIDEGATE_API_KEY")))
                }
            },
        }
    }

    /// The server that `tidegate dev` wrote down, if it did.
    fn data_dir_server(&self) -> Result<Option<(Url, SecretString)>, Failure> {
        let path = self.data_dir.join("dev.json");
        let Ok(bytes) = fs::read(&path) else { return Ok(None) };
        let local = serde_json::from_slice::<LocalServer>(&bytes).ok();
        let local = local.and_then(|local| Some((Url::parse(&local.base_url).ok()?, local.api_key)));
        match local {
            Some(local) => Ok(Some(local)),
            None => Err(Failure::message(format!("`{}` is not what `tidegate dev` writes", path.display()))),
        }
    }
}

/// Chooses the cryptography of TLS for the process. More than one is linked, and then neither is chosen by itself.
pub(crate) fn choose_tls_provider() {
    // The first that is installed stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client of one server with one key.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: SecretString,
}

/// A page of a list.
#[derive(Deserialize)]
struct Listed {
    items: Vec<Json>,
    next_cursor: Option<String>,
}

impl Client {
    pub(crate) fn new(arguments: &ApiArguments) -> Result<Self, Failure> {
        let (base, key) = arguments.resolve()?;
        Self::to(base, key)
    }

    /// A client of this server.
    pub(crate) fn to(base: Url, key: SecretString) -> Result<Self, Failure> {
        if base.cannot_be_a_base() {
            return Err(Failure::Usage(format!("`{base}` is not the address of a server: it begins with https://")));
        }
        choose_tls_provider();
        let http = reqwest::Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .timeout(LONGEST_CALL)
            // A key is for the server it was given for.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| Failure::message(format!("the HTTP client cannot be set up: {error}")))?;
        Ok(Self { http, base, key })
    }

    /// Everything in a list, page after page.
    pub(crate) async fn list(&self, list: &str) -> Result<Vec<Json>, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("limit", "100")];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.send(self.request(Method::GET, &[list])?.query(&query)).await?;
            let mut page: Listed = understood(page)?;
            all.append(&mut page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// `GET /v1/{path}`.
    pub(crate) async fn get(&self, path: &[&str]) -> Result<Json, Failure> {
        self.send(self.request(Method::GET, path)?).await
    }

    /// `POST /v1/{path}`.
    pub(crate) async fn post(&self, path: &[&str], body: &Json) -> Result<Json, Failure> {
        self.send(self.request(Method::POST, path)?.json(body)).await
    }

    /// `PUT /v1/{path}` over the version that was read.
    pub(crate) async fn put(&self, path: &[&str], version: u64, body: &Json) -> Result<Json, Failure> {
        let request = self.request(Method::PUT, path)?;
        self.send(request.header(header::IF_MATCH, format!("\"{version}\"")).json(body)).await
    }

    /// `POST /v1/{path}` over the version that was read, with nothing to say.
    pub(crate) async fn publish(&self, path: &[&str], version: u64) -> Result<Json, Failure> {
        let request = self.request(Method::POST, path)?;
        self.send(request.header(header::IF_MATCH, format!("\"{version}\""))).await
    }

    /// `DELETE /v1/{path}`, over the version that was read where there is one.
    pub(crate) async fn delete(&self, path: &[&str], version: Option<u64>) -> Result<(), Failure> {
        let mut request = self.request(Method::DELETE, path)?;
        if let Some(version) = version {
            request = request.header(header::IF_MATCH, format!("\"{version}\""));
        }
        self.send(request).await.map(drop)
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Usage(format!("`{}` is not the address of a server", self.base)))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        Ok(self.http.request(method, url).bearer_auth(self.key.expose_secret()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Json, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            let problem = Box::new(Problem::read(response).await);
            return Err(Failure::Problem { problem, at: Vec::new() });
        }
        self.body(response).await
    }

    async fn body(&self, response: Response) -> Result<Json, Failure> {
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if bytes.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_slice(&bytes)
            .map_err(|_| Failure::message(format!("{} does not answer with JSON: is it a Tidegate API?", self.base)))
    }

    /// The innermost cause says what happened; the rest repeats the address.
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            return Failure::message(format!("{} does not answer in time", self.base));
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let local = matches!(self.base.host_str(), Some("127.0.0.1" | "localhost"));
        let hint = if local { "; is `tidegate dev` running?" } else { "" };
        Failure::message(format!("{} cannot be reached: {cause}{hint}", self.base))
    }
}

/// An answer in the shape that this command knows.
pub(crate) fn understood<T: for<'de> Deserialize<'de>>(answer: Json) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|error| {
        Failure::message(format!("the server's answer is not understood ({error}); it may be newer than this command"))
    })
}
