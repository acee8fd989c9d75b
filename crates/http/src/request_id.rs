//! An id for every request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use tidegate_core::{Error, id::RequestId, ports::Ids};

use crate::Problem;

/// The header that carries the id of the request in the answer.
pub const HEADER: &str = "x-request-id";

/// Gives a request its id.
pub(crate) fn assign(ids: &Arc<dyn Ids>, request: &mut Request) -> RequestId {
    let id = RequestId::from_uuid(ids.uuid());
    request.extensions_mut().insert(CurrentRequest(id));
    id
}

/// The id of the request under way.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRequest(pub RequestId);

impl<S: Send + Sync> FromRequestParts<S> for CurrentRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| Problem(Error::internal("the edge assigned no request id")))
    }
}
