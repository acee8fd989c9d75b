//! What a server has said of the functions that statements call.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use tidegate_statement::Calls;

/// How long an answer of the server is believed. A function may be made, or change, in between.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many answers are kept.
const ANSWERS: u64 = 4_096;

/// Calls that the server said to be harmless a short while ago.
pub(crate) struct HarmlessCalls(Cache<Arc<Calls>, ()>);

impl HarmlessCalls {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(ANSWERS).time_to_live(BELIEVED).build())
    }

    pub(crate) fn contains(&self, calls: &Arc<Calls>) -> bool {
        self.0.contains_key(calls)
    }

    pub(crate) fn insert(&self, calls: &Arc<Calls>) {
        self.0.insert(Arc::clone(calls), ());
    }
}
