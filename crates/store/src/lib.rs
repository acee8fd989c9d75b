#![doc = include_str!("../README.md")]

#[cfg(feature = "aws")]
mod aws;
mod backoff;
mod cached;
mod cached_tenants;
mod dynamo;
mod failure;
#[cfg(feature = "local")]
mod file_vault;
mod history;
#[cfg(feature = "local")]
mod local;
mod master_key;
#[cfg(feature = "aws")]
mod secrets_manager;
#[cfg(feature = "aws")]
#[cfg(test)]
mod stand_in;
mod system;
mod vault;

#[cfg(not(any(feature = "aws", feature = "local")))]
compile_error!("a store needs a backend: enable the feature `aws` or `local`");

#[cfg(feature = "operator")]
pub use aws::Initialised;
#[cfg(feature = "aws")]
pub use aws::{AwsBackend, AwsSettings, SecretNames};
pub use cached::Cached;
pub use cached_tenants::CachedTenants;
pub use dynamo::{
    AppliedMigration, Direction, DynamoStore, LockHolder, MAX_REFERENCES, MigrationProgress, Migrations,
    PlannedMigration, TableStatus, TableVersion,
};
#[cfg(feature = "local")]
pub use file_vault::FileVault;
pub use history::{BatchExecutions, BufferedExecutions};
#[cfg(feature = "local")]
pub use local::LocalBackend;
pub use master_key::MasterKey;
#[cfg(feature = "aws")]
pub use secrets_manager::SecretsManagerVault;
pub use system::{SystemClock, SystemIds};
