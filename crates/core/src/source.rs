//! Sources: the databases a tenant registered.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Error, ErrorCode, Name, Result,
    budget::Limits,
    cost::MaxEstimate,
    error::Fault,
    id::{SourceId, TenantId},
    ports::{Entity, EntityKind, Reference},
};

/// The kind of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl SourceKind {
    /// The word in declarations and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }
}

/// Where a source is and how to reach it; one member, named after the kind. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// A PostgreSQL server.
    Postgres(Endpoint),
    /// A MySQL or MariaDB server.
    Mysql(Endpoint),
    /// A SQLite file.
    Sqlite(SqliteFile),
}

impl Connection {
    /// The kind of the source.
    pub const fn kind(&self) -> SourceKind {
        match self {
            Self::Postgres(_) => SourceKind::Postgres,
            Self::Mysql(_) => SourceKind::Mysql,
            Self::Sqlite(_) => SourceKind::Sqlite,
        }
    }

    /// The most sessions open at once in one process.
    pub const fn max_sessions(&self) -> u32 {
        match self {
            Self::Postgres(endpoint) | Self::Mysql(endpoint) => endpoint.max_sessions,
            Self::Sqlite(file) => file.max_sessions,
        }
    }
}

/// A database on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Host name or address.
    #[schema(example = "db.example.com")]
    pub host: String,
    /// TCP port; the engine's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database to connect to.
    pub database: String,
    /// The login; its password is a credential.
    pub user: String,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
    /// The most sessions open at once in one process.
    #[serde(default = "default_sessions")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_sessions: u32,
}

impl Endpoint {
    /// `InvalidRequest` when it can never be connected to: its host is none, or its certificate authority is not PEM.
    pub fn check(&self) -> Result<()> {
        // Drivers take a host that begins with a slash for the folder of a socket.
        if self.host.is_empty() || self.host.starts_with('/') {
            return Err(Error::new(ErrorCode::InvalidRequest, "`host` must be the name or the address of a machine"));
        }
        if self.tls.ca.as_ref().is_some_and(|ca| !ca.contains("-----BEGIN CERTIFICATE-----")) {
            return Err(Error::new(ErrorCode::InvalidRequest, "`tls.ca` must hold a certificate in PEM"));
        }
        Ok(())
    }
}

const fn default_sessions() -> u32 {
    10
}

/// Transport security of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whether TLS is used and what is verified.
    #[serde(default)]
    pub mode: TlsMode,
    /// The certificate authority in PEM, when it is not one of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// Whether TLS is used and what is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// TLS; the certificate's chain and host name are verified.
    #[default]
    VerifyFull,
    /// TLS; the certificate's chain is verified, its host name is not.
    VerifyCa,
    /// No TLS: only for a database on the same machine or an already protected network.
    Off,
}

/// A SQLite database file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqliteFile {
    /// The path of the file; a relative one begins at the data folder.
    #[schema(example = "data/flights.sqlite")]
    pub path: String,
    /// The most sessions open at once in one process.
    #[serde(default = "default_sessions")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_sessions: u32,
}

/// What a caller gives to register a source. The credentials go to the vault and are never given back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// Its name.
    pub name: Name,
    /// What it holds; assistants read this.
    #[serde(default)]
    pub description: String,
    /// Where it is.
    pub connection: Connection,
    /// Its secrets. On a replacement, leaving them out keeps the ones there are.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Limits of every execution on it.
    #[serde(default)]
    pub limits: Limits,
    /// The most that the database may expect an execution on it to take.
    #[serde(default)]
    pub max_estimate: MaxEstimate,
    /// Whether SQL that is not a registered query may be run on it.
    #[serde(default)]
    pub allow_raw: bool,
    /// Whether such SQL may change rows too. It needs `allow_raw`.
    #[serde(default)]
    pub allow_raw_writes: bool,
}

impl SourceSpec {
    /// `InvalidRequest` when what it allows contradicts itself, or cannot be held on a source of its kind.
    pub fn check(&self) -> Result<()> {
        self.max_estimate.check(self.connection.kind())?;
        if !self.allow_raw_writes || self.allow_raw {
            return Ok(());
        }
        let fault = Fault::of("allow_raw_writes", "`allow_raw_writes` needs `allow_raw: true` beside it");
        Err(Error::new(ErrorCode::InvalidRequest, fault.message.clone()).with_faults(vec![fault]))
    }
}

/// The secrets of a source.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The password of the login.
    #[schema(value_type = String, format = Password)]
    pub password: SecretString,
}

/// Where the vault keeps a source's secrets. Every change of the secrets makes a new reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(String);

impl SecretRef {
    /// A new reference for a source.
    pub fn new(tenant: TenantId, source: SourceId, unique: Uuid) -> Self {
        Self(format!("{tenant}/{source}/{unique}"))
    }

    /// The reference that the vault's key is; none when it is not one.
    pub fn from_key(key: &str) -> Option<Self> {
        let ids: Vec<Uuid> = key.split('/').map(Uuid::try_parse).collect::<Result<_, _>>().ok()?;
        let [tenant, source, unique] = ids.try_into().ok()?;
        Some(Self::new(TenantId::from_uuid(tenant), SourceId::from_uuid(source), unique)).filter(|it| it.0 == key)
    }

    /// The reference as the vault's key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it was made, and with it the secret.
    pub fn made_at(&self) -> Option<DateTime<Utc>> {
        let (_, unique) = self.0.rsplit_once('/')?;
        let (seconds, nanoseconds) = Uuid::try_parse(unique).ok()?.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    }
}

/// A registered source, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Its owner.
    pub tenant: TenantId,
    /// Its name.
    pub name: Name,
    /// What it holds.
    pub description: String,
    /// Where it is.
    pub connection: Connection,
    /// Since when it is there; none when it was never elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_since: Option<DateTime<Utc>>,
    /// Where its secrets are, when it has any.
    pub secret: Option<SecretRef>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Limits of every execution on it.
    pub limits: Limits,
    /// The most that the database may expect an execution on it to take.
    #[serde(default)]
    pub max_estimate: MaxEstimate,
    /// Whether SQL that is not a registered query may be run on it.
    pub allow_raw: bool,
    /// Whether such SQL may change rows too.
    #[serde(default)]
    pub allow_raw_writes: bool,
    /// What its login may do beyond reading, as it was when the source was saved.
    pub warnings: Vec<String>,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl Source {
    /// Whether a look at it that began then was a look at where it is now, and not at where it was before.
    pub fn was_here_at(&self, began_at: DateTime<Utc>) -> bool {
        self.connection_since.is_none_or(|since| began_at >= since)
    }
}

impl Entity for Source {
    const KIND: EntityKind = EntityKind::Source;

    fn tenant(&self) -> TenantId {
        self.tenant
    }
    fn id(&self) -> Uuid {
        self.id.as_uuid()
    }
    fn name(&self) -> &Name {
        &self.name
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn tags(&self) -> &[String] {
        &self.tags
    }
    fn label(&self) -> Option<&str> {
        Some(self.connection.kind().as_str())
    }
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }
}
