//! The `sync` function.

use std::{process::ExitCode, sync::Arc};

use tidegate_core::Result;
use tidegate_http::lambda::EventHandler;
use tidegate_platform::{Platform, events::serve};
use tidegate_sync::Tasks;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve(handler).await
}

fn handler(platform: &Platform) -> Result<EventHandler> {
    let tasks = Arc::new(Tasks::new(platform, platform.hosted_engine()?)?);
    Ok(Arc::new(move |event, deadline| {
        let tasks = Arc::clone(&tasks);
        Box::pin(async move { tasks.run(&event, deadline.0).await })
    }))
}
