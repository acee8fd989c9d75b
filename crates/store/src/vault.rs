//! What both vaults answer alike. A reference is not for callers, so it is in no message.

use tidegate_core::{Error, ErrorCode};

pub(crate) fn absent() -> Error {
    Error::new(ErrorCode::NotFound, "the vault holds no such secret; save the credentials of the source again")
}

pub(crate) fn existing() -> Error {
    Error::new(ErrorCode::AlreadyExists, "the vault holds a secret under this reference already")
}
