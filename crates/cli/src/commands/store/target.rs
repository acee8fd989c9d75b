//! The store that an operator's command works on.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use tidegate_core::ports::Vault;
use tidegate_platform::{Environment, deployment::Deployment};
use tidegate_store::{AwsBackend, DynamoStore, LocalBackend, Migrations, SystemClock, TableVersion};

use crate::{client::choose_tls_provider, commands::config, failure::Failure};

/// Which store. Without either, that of the deployment that the TIDEGATE_* variables of a function name.
#[derive(Args, Debug)]
pub(crate) struct StoreArguments {
    /// The environment file of a deployment (config/environments/*.yaml)
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    environment_file: Option<PathBuf>,
    /// The data folder of a `tidegate dev` that does not run
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// A store, and what is known of where it is.
pub(crate) struct Target {
    /// What people call it: the name of the environment, or the data folder.
    pub(crate) name: String,
    /// Whether the environment keeps what holds data from being destroyed.
    pub(crate) protected: bool,
    /// The store.
    pub(crate) store: DynamoStore,
    /// For how long other processes may go on with what they read of the store; none when there are no others.
    pub(crate) cached_for: Option<Duration>,
    backend: Backend,
}

enum Backend {
    Aws(AwsBackend),
    /// The folder is locked while this lives.
    Local(LocalBackend),
}

impl StoreArguments {
    /// Opens the store, which exists.
    pub(crate) async fn open(&self) -> Result<Target, Failure> {
        if let Some(folder) = self.data_dir.as_deref().filter(|folder| !folder.is_dir()) {
            let folder = folder.display();
            return Err(Failure::message(format!(
                "there is no folder {folder}: `tidegate store init --data-dir {folder}` makes it"
            )));
        }
        self.open_or_make().await
    }

    /// Opens the store to empty it. It has to be named, because the variables of a function do not say whether its
    /// deployment is protected.
    pub(super) async fn open_to_empty(&self) -> Result<Target, Failure> {
        if self.environment_file.is_none() && self.data_dir.is_none() {
            return Err(Failure::Usage(
                "what is emptied? Say --environment-file config/environments/NAME.yaml, which tells whether the \
                 deployment is protected, or --data-dir FOLDER"
                    .to_owned(),
            ));
        }
        self.open().await
    }

    /// Opens the store. A data folder is made when there is none.
    pub(super) async fn open_or_make(&self) -> Result<Target, Failure> {
        if let Some(folder) = &self.data_dir {
            let backend = LocalBackend::open(folder).await?;
            let (name, store) = (folder.display().to_string(), backend.store.clone());
            let backend = Backend::Local(backend);
            return Ok(Target { name, protected: false, store, cached_for: None, backend });
        }
        choose_tls_provider();
        let (name, protected, settings, region, cache_seconds) = match &self.environment_file {
            Some(path) => {
                let Environment { deploy, cache_seconds, .. } = config::load(path)?.spec;
                let deploy = deploy.ok_or_else(|| {
                    Failure::message(format!("{}: it describes no deployment: `deploy` is missing", path.display()))
                })?;
                (stem(path), deploy.protected, deploy.aws_settings(), Some(deploy.region), cache_seconds)
            }
            None if env::var_os("TIDEGATE_TABLE").is_some() => {
                let Deployment { aws, environment, .. } = Deployment::from_environment()?;
                (aws.table.clone(), false, aws, None, environment.cache_seconds)
            }
            None => {
                return Err(Failure::Usage(
                    "which store? Say --environment-file config/environments/NAME.yaml or --data-dir .tidegate, or set \
                     the TIDEGATE_* variables of a function"
                        .to_owned(),
                ));
            }
        };
        let backend = AwsBackend::for_operator(&settings, region.as_deref()).await?;
        let (store, cached_for) = (backend.store.clone(), Some(Duration::from_secs(cache_seconds.into())));
        Ok(Target { name, protected, store, cached_for, backend: Backend::Aws(backend) })
    }
}

impl Target {
    /// The migrations of its table.
    pub(crate) fn migrations(&self) -> Migrations {
        migrations(&self.store)
    }

    /// The secrets of its sources.
    pub(crate) fn vault(&self) -> Result<Arc<dyn Vault>, Failure> {
        match &self.backend {
            Backend::Local(backend) => Ok(Arc::new(backend.vault.clone())),
            Backend::Aws(AwsBackend { vault: Some(vault), .. }) => Ok(Arc::new(vault.clone())),
            Backend::Aws(_) => Err(Failure::Usage(
                "where are the secrets of the sources? Say --environment-file config/environments/NAME.yaml, or set \
                 TIDEGATE_SECRET_PREFIX too"
                    .to_owned(),
            )),
        }
    }

    /// Makes what is missing, and says whether a master key was made on AWS, and which version the table has.
    pub(super) async fn initialise(&self) -> Result<(bool, TableVersion), Failure> {
        let migrations = self.migrations();
        Ok(match &self.backend {
            Backend::Aws(backend) => {
                let done = backend.initialise(&migrations).await?;
                (done.made_master_key, done.version)
            }
            Backend::Local(_) => (false, migrations.initialise().await?),
        })
    }
}

/// The migrations of a store, in the name of this process.
pub(crate) fn migrations(store: &DynamoStore) -> Migrations {
    let user = env::var("USER").unwrap_or_else(|_| "someone".to_owned());
    let operator = format!("{user} (process {})", std::process::id());
    Migrations::new(store.clone(), Arc::new(SystemClock), operator)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
