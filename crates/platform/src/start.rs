//! How a function starts, and what it answers while it cannot.

use std::{
    env,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{Router, extract::Request, http::Uri, response::Response, routing::any};
use tidegate_core::{
    Error, ErrorCode, Result,
    ports::{Clock, Ids},
};
use tidegate_http::{Problem, edge, health, lambda::Lambda, request_timeout::PlatformDeadline, serve, telemetry};
use tidegate_store::{AwsBackend, SystemClock, SystemIds};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::OnceCell,
    time::timeout,
};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

use crate::{Environment, Platform, deployment::Deployment};

/// The variable with the address that a function listens on outside Lambda.
const LISTEN: &str = "TIDEGATE_LISTEN";
/// The variable that tells that the process runs under Lambda (AWS Lambda, "Defined runtime environment variables").
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// How long a function that could not start waits before it tries again, at the next call.
const RETRY: Duration = Duration::from_secs(1);

/// Makes the routes of a function.
pub type Routes = fn(&Platform) -> Result<OpenApiRouter>;

/// Serves one function of a deployment: under Lambda when its runtime is there, and otherwise on the socket that
/// `TIDEGATE_LISTEN` names.
///
/// A function that cannot start (a variable is wrong, the table is absent, a secret is denied) logs why and answers 503
/// until it can. It does not end: Lambda would start it again and again.
pub async fn serve(routes: Routes) -> ExitCode {
    let deployment = Deployment::from_environment();
    telemetry::start(deployment.as_ref().map_or(Environment::DEFAULT_LOG, |deployment| &deployment.environment.log));
    let function = Arc::new(Function {
        deployment,
        routes,
        ids: Arc::new(SystemIds),
        clock: Arc::new(SystemClock),
        started: OnceCell::new(),
        failed: Mutex::default(),
    });
    // Now, and not at the first call: Lambda gives a start more processor time, and nobody waits.
    if let Err(error) = function.started().await {
        tracing::error!(?error, "the function cannot start");
    }
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
    routes: Routes,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
    started: OnceCell<Started>,
    failed: Mutex<Option<(Instant, Error)>>,
}

struct Started {
    platform: Platform,
    router: Router,
}

impl Function {
    async fn run(self: Arc<Self>) -> Result<()> {
        let function = Arc::clone(&self);
        let router = Router::new().fallback(async move |request: Request| function.answer(request).await);
        if env::var_os(RUNTIME_API).is_some() {
            let environment = self.deployment.as_ref().ok();
            let lambda = Lambda {
                router,
                url_streams: environment.is_some_and(|deployment| deployment.url_streams),
                base_paths: environment.map(|it| it.environment.base_paths.clone()).unwrap_or_default(),
                settle: Arc::new(move || {
                    let function = Arc::clone(&self);
                    Box::pin(async move { function.settle().await })
                }),
            };
            return lambda.run().await;
        }
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
                edge::layered(every_path, Arc::clone(&self.ids))
            }
        };
        let Ok(response) = router.oneshot(request).await;
        response
    }

    /// What the function answers with. A start that failed is tried again, but not for every call of a burst.
    async fn started(&self) -> Result<&Started> {
        let now = self.clock.instant();
        let recent = self.failed().clone().filter(|(at, _)| now.duration_since(*at) < RETRY);
        if let (None, Some((_, error))) = (self.started.get(), recent) {
            return Err(error);
        }
        let started = self.started.get_or_try_init(|| self.start()).await;
        started.inspect_err(|error| *self.failed() = Some((now, error.clone())))
    }

    async fn start(&self) -> Result<Started> {
        let platform = open(self.deployment.clone()?).await?;
        let (router, _) = (self.routes)(&platform)?.split_for_parts();
        let router = edge::layered(router.merge(health::router(platform.health.clone())), Arc::clone(&self.ids));
        Ok(Started { platform, router })
    }

    async fn settle(&self) {
        if let Some(started) = self.started.get()
            && let Err(error) = started.platform.settle().await
        {
            tracing::error!(?error, "not everything was written");
        }
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Error)>> {
        // Nothing that is done under the lock can leave it broken.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late() -> Error {
    Error::new(ErrorCode::Unavailable, "the start took longer than a call may")
}

/// The platform of a deployment.
pub(crate) async fn open(deployment: Deployment) -> Result<Platform> {
    let Deployment { mut environment, aws, urls, .. } = deployment;
    let hosts = urls.iter().filter_map(|url| url.parse::<Uri>().ok()?.host().map(str::to_owned));
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
