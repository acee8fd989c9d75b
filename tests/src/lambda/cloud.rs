//! What functions of a deployment stand on: a table, a vault, and the demo's data.

use std::path::Path;

use emulator::Emulator;
use secrecy::ExposeSecret;
use serde_json::json;
use tempfile::TempDir;
use tidegate::dev::start_on_free_port;
use tokio::net::TcpListener;

use super::Environment;
use crate::proxy::Proxy;

/// The table that `tidegate dev` makes.
const TABLE: &str = "tidegate";
/// The name of the secret with the master key.
pub const MASTER_KEY: &str = "tidegate/test/master-key";

/// AWS for one test, gone with it.
pub struct Cloud {
    /// The table and the vault.
    pub emulator: Emulator,
    /// The way that functions reach them by.
    pub network: Proxy,
    /// The folder with the demo's files.
    pub folder: TempDir,
    /// The key of the owner of the demo tenant.
    pub key: String,
}

impl Cloud {
    /// A master key: 32 bytes in base64.
    pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// A deployment with the demo tenant in it.
    pub async fn start() -> Self {
        Self::with_tenants(&[]).await
    }

    /// The same with other tenants, which have nothing.
    pub async fn with_tenants(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start_on_free_port(folder.path()).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        for name in names {
            server.add_tenant(name.parse().unwrap()).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        }
        let key = server.api_key().expose_secret().to_owned();
        server.stop().await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let emulator = Emulator::start(listener, Some(folder.path())).unwrap();
        emulator.put_secret(MASTER_KEY, Self::KEY).unwrap();
        Self { emulator, network: Proxy::before("127.0.0.1", port).await, folder, key }
    }

    /// Puts the master key back.
    pub fn heal_master_key(&self) {
        self.emulator.put_secret(MASTER_KEY, Self::KEY).unwrap();
    }

    /// The variables that a function is given.
    pub fn variables(&self) -> Vec<(String, String)> {
        let config = json!({"sqlite_folder": self.folder.path(), "base_paths": ["/tidegate"],
                            "budget": {"bytes": 16 << 20}});
        [
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.network.port)),
            ("TIDEGATE_CONFIG", config.to_string()),
            ("TIDEGATE_TABLE", TABLE.to_owned()),
            ("TIDEGATE_SECRET_PREFIX", "tidegate/test/sources/".to_owned()),
            ("TIDEGATE_MASTER_KEY_SECRET", MASTER_KEY.to_owned()),
            ("TIDEGATE_URL_STREAMS", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The same variables with one set, or left out when it is to be nothing.
    pub fn variables_with(&self, name: &str, value: Option<&str>) -> Vec<(String, String)> {
        let mut variables = self.variables();
        variables.retain(|(other, _)| other != name);
        variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        variables
    }

    /// An environment of a function.
    pub async fn function(&self, program: &str) -> Environment {
        Environment::start(Path::new(program), &self.variables()).await
    }
}
