#![doc = include_str!("../README.md")]

pub mod keys;
pub mod me;
pub mod sign_up;
pub mod state;

pub use state::AuthState;

tidegate_http::routes!(AuthState: me::me, keys::create, keys::list, keys::revoke, sign_up::sign_up);
