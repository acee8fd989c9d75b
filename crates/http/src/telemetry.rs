//! Logs: JSON lines, or a readable format on a terminal.

use std::{env, io::IsTerminal};

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    prelude::*,
};

/// Starts logging to standard error, once per process. `TIDEGATE_LOG` selects what is logged: a level, or a list such as
/// `warn,rmcp=error`; without it `default` does. What cannot be read selects warnings.
pub fn start(default: &str) {
    let wanted = env::var("TIDEGATE_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = wanted.parse::<Targets>();
    let is_wrong = filter.is_err();
    let filter = filter.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::WARN));
    let registry = tracing_subscriber::registry().with(filter);
    if std::io::stderr().is_terminal() {
        registry.with(fmt::layer().with_writer(std::io::stderr).with_target(false)).init();
    } else {
        let json = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry.with(json.with_writer(std::io::stderr)).init();
    }
    if is_wrong {
        tracing::warn!(%wanted, "what to log cannot be read: write a level, or a list such as `warn,rmcp=error`");
    }
}
