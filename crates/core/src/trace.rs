//! Spans of calls.

/// The target, as `tracing` has it, of the spans that a collector is sent. No log line is part of one: what they hold is in
/// no log, and without a collector they cost nothing.
pub const TARGET: &str = "tidegate::trace";
