//! The functions as programs, each under a Runtime API of its own, over an emulated DynamoDB and Secrets Manager.

mod answers;
mod endings;
mod events;
mod faults;
mod streams;

const AUTH: &str = env!("CARGO_BIN_EXE_function-auth");
const EXECUTE: &str = env!("CARGO_BIN_EXE_function-execute");
const MCP: &str = env!("CARGO_BIN_EXE_function-mcp");
const REGISTRY: &str = env!("CARGO_BIN_EXE_function-registry");
