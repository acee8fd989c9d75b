//! Who is calling.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{
    Error, ErrorCode, Name, Result,
    budget::Limits,
    id::{ApiKeyId, TenantId},
    token,
};

/// A place in a tenant. The order is the order of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees what is registered.
    Viewer,
    /// Runs queries too.
    Runner,
    /// Writes queries and servers too, and raw SQL where a source allows it.
    Editor,
    /// Registers sources and manages API keys too.
    Admin,
    /// May do everything in the tenant.
    Owner,
}

impl Role {
    /// All, from the least.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Runner, Self::Editor, Self::Admin, Self::Owner];

    /// The word in declarations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Runner => "runner",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// What an API key is narrowed to. Empty lists mean that it is not narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The servers it may use, with the queries they select.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Name>,
    /// The queries it may run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Name>,
}

impl Scope {
    /// Whether it leaves everything open.
    pub fn is_everything(&self) -> bool {
        self.servers.is_empty() && self.queries.is_empty()
    }
}

/// Who is calling, in one tenant. Everything behind the edge takes this, never a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The tenant it acts in.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: Name,
    /// Which caller it is.
    pub caller: Caller,
    /// Its role.
    pub role: Role,
    /// What it is narrowed to.
    pub scope: Scope,
    /// Limits of every execution it asks for.
    pub limits: Limits,
}

/// Which caller a principal is. As text, which is also how it is stored, it is the id of its API key, or `token:` and a
/// subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Caller {
    /// A program with an API key.
    ApiKey(ApiKeyId),
    /// Whoever has a token of the deployment's identity provider.
    Token {
        /// Who that is, in the provider's words: 1 to 256 characters, none of them a control character.
        subject: Arc<str>,
    },
}

/// What the text of a caller with a token begins with. No API key's id and no name does.
const TOKEN: &str = "token:";

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => id.fmt(f),
            Self::Token { subject } => write!(f, "{TOKEN}{subject}"),
        }
    }
}

impl FromStr for Caller {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix(TOKEN) {
            Some(subject) => token::subject(subject),
            None => text.parse().ok().map(Self::ApiKey),
        }
        .ok_or_else(|| {
            let message = "a caller is the id of an API key, or `token:` and the subject of a token";
            Error::new(ErrorCode::InvalidRequest, message)
        })
    }
}

impl TryFrom<String> for Caller {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map_err(|_: Error| "this is no caller")
    }
}

impl Serialize for Caller {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ApiKey(id) => id.serialize(serializer),
            Self::Token { .. } => serializer.collect_str(self),
        }
    }
}

impl PartialSchema for Caller {
    fn schema() -> RefOr<Schema> {
        let description = "The id of an API key, or `token:` and the subject of a token.";
        ObjectBuilder::new().schema_type(Type::String).description(Some(description)).into()
    }
}

impl ToSchema for Caller {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_one_text_wherever_it_is_written() {
        for text in ["01900000-0000-7000-8000-000000000000", "token:auth0|1", "token:token:\u{e9} \u{1f511}"] {
            let caller: Caller = text.parse().unwrap();
            assert_eq!(caller.to_string(), text);
            let stored = serde_json::to_value(&caller).unwrap();
            assert_eq!(stored, text);
            assert_eq!(serde_json::from_value::<Caller>(stored).unwrap(), caller);
        }
        for bad in ["", "demo", "token", "token:", "Token:1", "token:a\nb"] {
            assert!(bad.parse::<Caller>().is_err(), "{bad:?}");
            assert!(serde_json::from_value::<Caller>(bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_roles_are_in_the_order_of_their_power() {
        assert!(Role::ALL.is_sorted_by(|less, more| less < more) && Role::ALL.last() == Some(&Role::Owner));
    }
}
