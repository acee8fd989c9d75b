//! How a function starts, and what it answers while it cannot.

use std::{env, net::SocketAddr, process::ExitCode, sync::Arc};

use axum::{Router, extract::Request, response::Response, routing::any};
use tidegate_core::{
    Error, ErrorCode, Result,
    network::CallerNetworks,
    ports::{Clock, Ids},
};
use tidegate_http::{
    PlatformDeadline, Problem, edge,
    lambda::{Lambda, Settle},
    serve,
    telemetry::{self, Telemetry},
};
use tidegate_store::{AwsBackend, SystemClock, SystemIds};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tower::ServiceExt;

use crate::{Environment, Platform, deployment::Deployment, start_once::StartOnce};

/// The variable with the address that a function listens on outside Lambda.
const LISTEN: &str = "TIDEGATE_LISTEN";
/// The variable that tells that the process runs under Lambda (AWS Lambda, "Defined runtime environment variables").
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Makes the routes of a function.
pub type Routes = fn(&Platform) -> Result<Router>;

/// Serves one function of a deployment: under Lambda when its runtime is there, and otherwise on the socket that
/// `TIDEGATE_LISTEN` names.
///
/// A function that cannot start (a variable is wrong, the table is absent, a secret is denied) logs why and answers 503
/// until it can. It does not end: Lambda would start it again and again.
pub async fn serve(routes: Routes) -> ExitCode {
    let deployment = Deployment::from_environment();
    let log = deployment.as_ref().map_or(Environment::DEFAULT_LOG, |deployment| &deployment.environment.log);
    let telemetry = telemetry::start(log);
    let function = Arc::new(Function {
        deployment,
        telemetry,
        routes,
        ids: Arc::new(SystemIds),
        clock: Arc::new(SystemClock),
        started: StartOnce::new(),
    });
    match function.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(?error, "the function ends");
            ExitCode::FAILURE
        }
    }
}

struct Function {
    deployment: Result<Deployment>,
    telemetry: Telemetry,
    routes: Routes,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
    started: StartOnce<Started>,
}

struct Started {
    platform: Platform,
    router: Router,
}

impl Function {
    async fn run(self: Arc<Self>) -> Result<()> {
        let function = Arc::clone(&self);
        let router = Router::new().fallback(async move |request: Request| function.answer(request).await);
        // Now, and not at the first call: Lambda gives a start more processor time, and nobody waits.
        let start = async {
            if let Err(error) = self.started().await {
                tracing::error!(?error, "the function cannot start");
            }
        };
        if env::var_os(RUNTIME_API).is_some() {
            let deployment = self.deployment.as_ref().ok();
            let lambda = Lambda {
                router,
                url_streams: deployment.is_some_and(|deployment| deployment.url_streams),
                base_paths: deployment.map(|it| it.environment.base_paths.clone()).unwrap_or_default(),
                tells_address: !self.callers().is_unlimited(),
                settle: self.settles(),
            };
            return lambda.run(Box::pin(start)).await;
        }
        start.await;
        self.telemetry.export_regularly();
        let mut terminated = signal(SignalKind::terminate()).map_err(Error::internal)?;
        let stop = async move {
            terminated.recv().await;
        };
        serve::serve(listen().await?, router, stop).await?;
        self.settle().await;
        Ok(())
    }

    async fn answer(&self, request: Request) -> Response {
        // At a call, a start that gets no answer must end before the call does.
        let left = request.extensions().get::<PlatformDeadline>().map(|it| it.left(self.clock.instant()));
        let started = match left {
            Some(left) => timeout(left, self.started()).await.unwrap_or_else(|_| Err(late())),
            None => self.started().await,
        };
        let router = match started {
            Ok(started) => started.router.clone(),
            Err(error) => {
                let refusal =
                    Error::new(ErrorCode::Unavailable, "this deployment is not set up right; its log says why")
                        .with_context(format_args!("{error:?}"));
                let refuse = any(async move || Problem(refusal));
                let every_path = Router::new().route("/", refuse.clone()).route("/{*path}", refuse);
                edge::layered(every_path, Arc::clone(&self.ids), &self.callers())
            }
        };
        let Ok(response) = router.oneshot(request).await;
        response
    }

    /// What the function answers with.
    async fn started(&self) -> Result<&Started> {
        self.started.get_or_start(self.start()).await
    }

    async fn start(&self) -> Result<Started> {
        // The calls of an SDK are large; elsewhere they would be copied with every future around them.
        let platform = Box::pin(open(self.deployment.clone()?)).await?;
        let router = edge::layered((self.routes)(&platform)?, Arc::clone(&self.ids), &self.callers());
        Ok(Started { platform, router })
    }

    /// Where callers may be, as far as the function is told.
    fn callers(&self) -> CallerNetworks {
        self.deployment.as_ref().map(|deployment| deployment.environment.caller_networks.clone()).unwrap_or_default()
    }

    /// What is done after every call. A function that reaches no source runs nothing that is to be recorded.
    fn settles(self: &Arc<Self>) -> Option<Settle> {
        let records = self.deployment.as_ref().map_or(true, |deployment| deployment.aws.secrets.is_some());
        if !records && !self.telemetry.exports() {
            return None;
        }
        let function = Arc::clone(self);
        Some(Arc::new(move || {
            let function = Arc::clone(&function);
            Box::pin(async move { function.settle().await })
        }))
    }

    async fn settle(&self) {
        let write = async {
            if let Some(started) = self.started.get()
                && let Err(error) = started.platform.settle().await
            {
                tracing::error!(?error, "not everything was written");
            }
        };
        tokio::join!(write, self.telemetry.flush());
    }
}

fn late() -> Error {
    Error::new(ErrorCode::Unavailable, "the start took longer than a call may")
}

/// The platform of a deployment.
pub(crate) async fn open(deployment: Deployment) -> Result<Platform> {
    let Deployment { mut environment, aws, hosts, .. } = deployment;
    environment.hosts.extend(hosts);
    let backend = AwsBackend::from_environment(&aws)?;
    let platform = Platform::new(environment, backend.store.clone());
    let Some(vault) = backend.vault else {
        backend.store.check_version().await?;
        return Ok(platform);
    };
    let ((), master_key) = tokio::try_join!(backend.store.check_version(), vault.master_key())?;
    Ok(platform.with_secrets(vault, Arc::new(master_key)))
}

async fn listen() -> Result<TcpListener> {
    let address = env::var(LISTEN).unwrap_or_else(|_| "127.0.0.1:9000".to_owned());
    let address: SocketAddr = address.parse().map_err(|_| {
        Error::new(ErrorCode::InvalidRequest, format!("{LISTEN} must be an address and a port, such as 127.0.0.1:9000"))
    })?;
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::new(ErrorCode::Unavailable, format!("cannot listen on {address}: {error}")))
}
