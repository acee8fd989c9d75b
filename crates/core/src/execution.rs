//! The record of one run of a statement.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ErrorCode, Name,
    id::{ApiKeyId, ExecutionId, QueryId, RequestId, SourceId, TenantId},
    result::Truncated,
};

/// One run of a statement. Arguments and rows are not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// The tenant it ran in.
    pub tenant: TenantId,
    /// The request it was part of.
    pub request: Option<RequestId>,
    /// The caller's API key.
    pub api_key: ApiKeyId,
    /// The query and its version; none for raw SQL.
    pub query: Option<(QueryId, u64)>,
    /// The server it was called through.
    pub server: Option<Name>,
    /// The source it ran on.
    pub source: SourceId,
    /// SHA-256 of the statement's text, in hexadecimal, shortened to 16 digits. Values are not part of the text.
    pub fingerprint: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// The rows given back.
    pub rows: u64,
    /// The bytes of the encoded rows.
    pub bytes: u64,
    /// What cut it.
    pub truncated: Option<Truncated>,
    /// How it failed.
    pub error: Option<ErrorCode>,
}
