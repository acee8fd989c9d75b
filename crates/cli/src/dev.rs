//! The local server: every function in this process, on embedded storage.

mod demo;
mod greeting;
mod owner;
mod platform;
mod record;
mod schedule;

use std::{io, net::Ipv4Addr, path::Path};

use reqwest::Url;
use secrecy::SecretString;
use serde_json::Value as Json;
use tidegate_core::{Error, ErrorCode, Name};
use tidegate_http::{serve, telemetry};
use tidegate_platform::Environment;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use self::{platform::LocalPlatform, record::Record};
use crate::{
    client::choose_tls_provider,
    commands::{DevArguments, config},
    failure::Failure,
};

/// Runs the local server until it is told to stop.
pub(crate) async fn run(arguments: DevArguments) -> Result<(), Failure> {
    let environment = match &arguments.config {
        Some(path) => config::load(path)?.spec,
        None => Environment::default(),
    };
    let environment = environment.overridden()?;
    let telemetry = telemetry::start(&environment.log);
    telemetry.export_regularly();
    let server = LocalServer::start(&arguments.data_dir, arguments.port, environment).await?;
    greeting::print(&server.record, server.key_is_new, &arguments.data_dir)?;
    told_to_stop().await?;
    server.stop().await?;
    telemetry.flush().await;
    Ok(())
}

/// A local server that runs in this process.
pub struct LocalServer {
    record: Record,
    key_is_new: bool,
    local: LocalPlatform,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<tidegate_core::Result<()>>,
    schedules: JoinSet<()>,
}

impl LocalServer {
    /// Starts a server on the loopback address, with its data in a folder. At its first start it makes the demo tenant.
    pub(crate) async fn start(folder: &Path, port: u16, environment: Environment) -> Result<Self, Failure> {
        choose_tls_provider();
        if !environment.caller_networks.permit(Ipv4Addr::LOCALHOST.into()) {
            return Err(Failure::message(
                "`caller_networks.allow` leaves out this machine, and nobody else can call a local server: add \
                 127.0.0.0/8, or leave the list empty",
            ));
        }
        let listener = listen(port).await?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let local = LocalPlatform::open(folder, environment).await?;
        let owner = owner::ensure(&local.platform, folder).await?;
        let router = local.router()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(serve::serve(listener, router, async {
            // A dropped sender means that nobody is left to stop it.
            let _ = stopped.await;
        }));
        let base = Url::parse(&format!("http://{address}")).map_err(Error::internal)?;
        demo::seed(folder, &base, &owner.key).await?;
        let record = Record::new(&base, &owner.key);
        record.write(folder)?;
        let schedules = schedule::start(&local.tasks);
        Ok(Self { record, key_is_new: owner.is_new, local, stop, serving, schedules })
    }

    /// Its address, such as `http://127.0.0.1:9000`.
    pub fn base_url(&self) -> &str {
        &self.record.base_url
    }

    /// The key of the owner of the demo tenant.
    pub fn api_key(&self) -> SecretString {
        self.record.api_key.clone()
    }

    /// Makes another tenant beside the demo, and gives back its owner's key.
    pub async fn add_tenant(&self, name: Name) -> Result<SecretString, Failure> {
        let (_, key) = crate::owner::make_tenant(&self.local.platform, name).await?;
        Ok(key)
    }

    /// Runs the task of `sync` that an event names now, and gives back what it counted.
    pub async fn sync(&self, event: &Json) -> Result<Json, Failure> {
        Ok(schedule::run(&self.local.tasks, event).await?)
    }

    /// Lets the requests under way end, writes what waits to be written, and closes every session.
    pub async fn stop(self) -> Result<(), Failure> {
        let Self { local, stop, serving, mut schedules, .. } = self;
        schedules.shutdown().await;
        let _ = stop.send(());
        serving.await.map_err(Error::internal)??;
        local.close().await?;
        Ok(())
    }
}

/// Starts a server on a free port, with its data in a folder, for tests.
pub async fn start_on_free_port(folder: &Path) -> Result<LocalServer, Failure> {
    start_in_environment(folder, Environment::default()).await
}

/// The same in an environment.
pub async fn start_in_environment(folder: &Path, environment: Environment) -> Result<LocalServer, Failure> {
    LocalServer::start(folder, 0, environment).await
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        Failure::message(match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is taken: stop what listens there, or choose another with --port")
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {port} is not open to this user: choose one above 1023 with --port")
            }
            _ => format!("cannot listen on port {port}: {error}"),
        })
    })
}

async fn told_to_stop() -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::from(Error::new(ErrorCode::Internal, error.to_string()));
    let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(fault),
        _ = terminate.recv() => Ok(()),
    }
}
