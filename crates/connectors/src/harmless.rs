//! What a server has said of the functions that statements call.

use std::{sync::Arc, time::Duration};

use tidegate_core::memory::Memory;
use tidegate_statement::Calls;

/// How long an answer of the server is believed. A function may be made, or change, in between.
const BELIEVED: Duration = Duration::from_secs(60);
/// How much memory the answers may take, in bytes. That is room for a thousand statements of a few calls each.
const MOST: u64 = 256 << 10;

/// Calls that the server said to be harmless a short while ago.
pub(crate) struct HarmlessCalls(Memory<Arc<Calls>, ()>);

impl HarmlessCalls {
    pub(crate) fn new() -> Self {
        Self(Memory::of_bytes(MOST, |calls: &Arc<Calls>, ()| calls.size()).for_at_most(BELIEVED))
    }

    pub(crate) fn contains(&self, calls: &Arc<Calls>) -> bool {
        self.0.get(calls).is_some()
    }

    pub(crate) fn insert(&self, calls: &Arc<Calls>) {
        self.0.insert(Arc::clone(calls), ());
    }
}

#[cfg(test)]
mod tests {
    use tidegate_statement::{Dialect, Statement};

    use super::*;

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let harmless = HarmlessCalls::new();
        for statement in 0..64 {
            let calls: Vec<String> = (0..500).map(|call| format!("f{statement}_{call}(1)")).collect();
            let text = format!("select {}", calls.join(", "));
            let statement = Statement::raw(&text, Dialect::Postgres).unwrap();
            harmless.insert(statement.calls());
            assert!(harmless.contains(statement.calls()));
            assert!(harmless.0.size() <= MOST, "{}", harmless.0.size());
        }
    }
}
