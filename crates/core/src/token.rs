//! Tokens of an identity provider, which a gateway has verified: what their claims say of the caller.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Error, ErrorCode, Name, Result,
    principal::{Caller, Role},
};

/// The longest subject of a token, in characters. OpenID Connect has 255 at most.
pub const MAX_SUBJECT_LENGTH: usize = 256;

/// The claim that says who the subject is (RFC 7519 §4.1.2).
pub const SUBJECT: &str = "sub";

/// Which claims of a token are read. Some identity providers take claims of others only under names with a prefix, such
/// as `https://example.com/tidegate_tenant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenClaims {
    /// The one that holds the name of the tenant.
    #[schema(min_length = 1)]
    pub tenant: String,
    /// The one that holds the role.
    #[schema(min_length = 1)]
    pub role: String,
}

impl Default for TokenClaims {
    fn default() -> Self {
        Self { tenant: "tidegate_tenant".to_owned(), role: "tidegate_role".to_owned() }
    }
}

/// What a token says of its caller. Whether there is such a tenant is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The name of the tenant.
    pub tenant: Name,
    /// Who is calling.
    pub caller: Caller,
    /// The role.
    pub role: Role,
}

impl TokenClaims {
    /// What a token says, by the texts of its claims. `Unauthenticated` names the claim that is absent or says nothing.
    pub fn read<'a>(&self, claim: impl Fn(&str) -> Option<&'a str>) -> Result<Claimed> {
        let caller = claim(SUBJECT).and_then(subject).ok_or_else(|| {
            let wanted = format!("a text of 1 to {MAX_SUBJECT_LENGTH} characters that stays the same for one user");
            unusable(SUBJECT, "nobody", &wanted)
        })?;
        let word = claim(&self.role);
        let role = Role::ALL.into_iter().find(|role| word == Some(role.as_str())).ok_or_else(|| {
            let words = Role::ALL.map(|role| format!("`{}`", role.as_str())).join(", ");
            unusable(&self.role, "no role", &format!("one of {words}"))
        })?;
        let tenant = claim(&self.tenant).and_then(|name| name.parse().ok()).ok_or_else(|| self.no_tenant())?;
        Ok(Claimed { tenant, caller, role })
    }

    /// The refusal of a token without a tenant, and of one whose tenant does not exist: who holds it does not learn which.
    pub fn no_tenant(&self) -> Error {
        unusable(&self.tenant, "no tenant", "the name of your tenant")
    }
}

/// The caller with this subject, when it is one. It stands in records that people read on terminals.
pub(crate) fn subject(text: &str) -> Option<Caller> {
    let is_subject =
        !text.is_empty() && text.chars().nth(MAX_SUBJECT_LENGTH).is_none() && !text.chars().any(char::is_control);
    is_subject.then(|| Caller::Token { subject: Arc::from(text) })
}

fn unusable(claim: &str, what: &str, wanted: &str) -> Error {
    Error::new(
        ErrorCode::Unauthenticated,
        format!(
            "the claim `{claim}` of this token names {what}; ask the administrator of your identity provider to put \
             {wanted} into it, as one text"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of a token with these claims, by the names that Auth0 allows.
    fn read(claims: &[(&str, &str)]) -> Result<Claimed> {
        let names = TokenClaims { tenant: "https://e.io/tenant".to_owned(), role: "https://e.io/role".to_owned() };
        names.read(|name| claims.iter().find(|(claim, _)| *claim == name).map(|(_, value)| *value))
    }

    const GOOD: [(&str, &str); 3] =
        [("sub", "auth0|1"), ("https://e.io/tenant", "demo"), ("https://e.io/role", "runner")];

    #[test]
    fn a_token_names_its_caller_with_tenant_and_role() {
        let Claimed { tenant, caller, role } = read(&GOOD).unwrap();
        assert_eq!((tenant.as_str(), caller.to_string().as_str(), role), ("demo", "token:auth0|1", Role::Runner));
        let longest = "\u{e9}".repeat(MAX_SUBJECT_LENGTH);
        let mut claims = GOOD;
        claims[0].1 = &longest;
        assert!(read(&claims).is_ok());
    }

    #[test]
    fn a_claim_that_is_absent_or_says_nothing_is_named() {
        let too_long = "x".repeat(MAX_SUBJECT_LENGTH + 1);
        for (index, bad) in [
            (0, &["", "a\nb", "\u{1b}[2J", &too_long][..]),
            (1, &["", "Demo", "demo ", "[demo other]", "demo\u{0}", "../demo"]),
            (2, &["", "Runner", "runner ", "[runner]", "[owner viewer]", "root", "owner,viewer"]),
        ] {
            let name = GOOD[index].0;
            let absent: Vec<_> = GOOD.into_iter().filter(|(claim, _)| *claim != name).collect();
            let message = read(&absent).unwrap_err().message().to_owned();
            assert!(message.contains(&format!("`{name}`")) && message.contains("ask the administrator"), "{message}");
            for value in bad {
                let mut claims = GOOD;
                claims[index].1 = value;
                let error = read(&claims).unwrap_err();
                assert_eq!((error.code(), error.message()), (ErrorCode::Unauthenticated, message.as_str()), "{value}");
            }
        }
    }

    #[test]
    fn a_tenant_that_does_not_exist_is_refused_as_one_that_is_not_named() {
        let names = TokenClaims::default();
        let absent = names.read(|name| match name {
            "sub" => Some("1"),
            "tidegate_role" => Some("owner"),
            _ => None,
        });
        assert_eq!(absent.unwrap_err().message(), names.no_tenant().message());
    }
}
