//! How a function starts that answers events and no requests.

use std::{env, process::ExitCode, sync::Arc, time::Instant};

use tidegate_core::{Error, ErrorCode, Result};
use tidegate_http::{
    lambda::{EventHandler, Settle, serve_events},
    telemetry::{self, Telemetry},
};
use tokio::time::timeout;

use crate::{
    Environment, Platform,
    deployment::Deployment,
    start::{RUNTIME_API, open},
    start_once::StartOnce,
};

/// Makes what answers the events of a function.
pub type Handler = fn(&Platform) -> Result<EventHandler>;

/// Serves the events of one function of a deployment under Lambda.
///
/// While the function cannot start (a variable is wrong, the table is absent, a secret is denied), each event fails with
/// the reason, in one line of the log and as the error of the invocation. The next event tries again.
pub async fn serve(handler: Handler) -> ExitCode {
    let deployment = Deployment::from_environment();
    let log = deployment.as_ref().map_or(Environment::DEFAULT_LOG, |deployment| &deployment.environment.log);
    let telemetry = telemetry::start(log);
    let function = Arc::new(Function { deployment, telemetry, handler, started: StartOnce::new() });
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
    handler: Handler,
    started: StartOnce<EventHandler>,
}

impl Function {
    async fn run(self: Arc<Self>) -> Result<()> {
        if env::var_os(RUNTIME_API).is_none() {
            let message = "this function answers events of AWS Lambda and has nothing to do elsewhere";
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        let function = Arc::clone(&self);
        let handle: EventHandler = Arc::new(move |event, deadline| {
            let function = Arc::clone(&function);
            Box::pin(async move {
                let answer = async { function.started().await?(event, deadline).await }.await;
                // Nothing runs between events. Without time for them, spans are lost.
                let _ = timeout(deadline.0.remaining(Instant::now()), function.telemetry.flush()).await;
                answer
            })
        });
        // As early as for requests.
        let start = async {
            if let Err(error) = self.started().await {
                tracing::error!(?error, "the function cannot start");
            }
        };
        serve_events(handle, Box::pin(start), self.settles()).await
    }

    /// What is done before the environment ends: a task that is under way goes on from its place at its next run, and has
    /// nothing to write.
    fn settles(self: &Arc<Self>) -> Option<Settle> {
        if !self.telemetry.exports() {
            return None;
        }
        let function = Arc::clone(self);
        Some(Arc::new(move || {
            let function = Arc::clone(&function);
            Box::pin(async move { function.telemetry.flush().await })
        }))
    }

    async fn started(&self) -> Result<&EventHandler> {
        self.started.get_or_start(self.start()).await
    }

    async fn start(&self) -> Result<EventHandler> {
        let platform = open(self.deployment.clone()?).await.map_err(|error| error.with_context("the start failed"))?;
        (self.handler)(&platform)
    }
}
