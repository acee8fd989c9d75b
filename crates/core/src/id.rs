//! Typed ids. Each is a UUIDv7, so ids of one kind sort by the time they were made, and two kinds cannot be mixed up.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Error, ErrorCode};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID, made by [`crate::ports::Ids`] or read back from storage.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::parse_str(text).map(Self).map_err(|_| {
                    Error::new(ErrorCode::InvalidRequest, format!(concat!("`{}` is not the id of a ", $what), text))
                })
            }
        }
    )+};
}

ids! {
    /// Identifies a tenant.
    TenantId, "tenant";
    /// Identifies a source.
    SourceId, "source";
    /// Identifies a query.
    QueryId, "query";
    /// Identifies a server.
    ServerId, "server";
    /// Identifies an API key.
    ApiKeyId, "API key";
    /// Identifies one execution.
    ExecutionId, "execution";
    /// Identifies one request; it is in every log line and every error of it.
    RequestId, "request";
}
