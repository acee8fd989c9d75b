//! When credentials should be replaced.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{api_key::ApiKey, source::Source};

/// How old credentials may become, and how early their end is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotationRules {
    /// Credentials that are older are to be replaced, in days.
    pub max_age_days: u16,
    /// How long before an API key expires that is told, in days.
    pub notice_days: u16,
}

impl Default for RotationRules {
    fn default() -> Self {
        Self { max_age_days: 365, notice_days: 14 }
    }
}

/// Why credentials should be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationDue {
    /// An API key that works until then.
    KeyExpires(DateTime<Utc>),
    /// An API key that was made so many days ago.
    KeyIsOld(i64),
    /// Credentials of a source that were given so many days ago.
    CredentialsAreOld(i64),
}

impl fmt::Display for RotationDue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyExpires(at) => {
                write!(f, "this key stops working on {}; make another one in time", at.format("%Y-%m-%d at %H:%M UTC"))
            }
            Self::KeyIsOld(days) => write!(f, "this key is {days} days old; make another one and revoke it"),
            Self::CredentialsAreOld(days) => {
                write!(f, "the credentials are {days} days old; change the password and save it here")
            }
        }
    }
}

impl RotationRules {
    /// Why an API key should be replaced. One that does not work any more is not told of.
    pub fn of_key(&self, key: &ApiKey, now: DateTime<Utc>) -> Option<RotationDue> {
        if !key.is_valid_at(now) {
            return None;
        }
        let notice = TimeDelta::days(self.notice_days.into());
        let expiry = key.expires_at.filter(|expiry| *expiry - now <= notice);
        expiry.map(RotationDue::KeyExpires).or_else(|| self.age(key.created_at, now).map(RotationDue::KeyIsOld))
    }

    /// Why the credentials of a source should be replaced.
    pub fn of_source(&self, source: &Source, now: DateTime<Utc>) -> Option<RotationDue> {
        let made_at = source.secret.as_ref()?.made_at()?;
        self.age(made_at, now).map(RotationDue::CredentialsAreOld)
    }

    /// The age in days, when it is above the most.
    fn age(&self, made_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<i64> {
        Some((now - made_at).num_days()).filter(|days| *days > i64::from(self.max_age_days))
    }
}

#[cfg(test)]
mod tests {
    use uuid::{NoContext, Timestamp, Uuid};

    use super::*;
    use crate::{
        budget::Limits,
        cost::MaxEstimate,
        id::{ApiKeyId, SourceId, TenantId},
        principal::{Role, Scope},
        source::{Connection, SecretRef, SqliteFile},
    };

    const RULES: RotationRules = RotationRules { max_age_days: 90, notice_days: 14 };

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    fn key(expires_at: Option<DateTime<Utc>>) -> ApiKey {
        ApiKey {
            id: ApiKeyId::from_uuid(Uuid::nil()),
            tenant: TenantId::from_uuid(Uuid::nil()),
            tenant_name: "acme".parse().unwrap(),
            name: "desk".parse().unwrap(),
            secret_hash: String::new(),
            role: Role::Runner,
            scope: Scope::default(),
            limits: Limits::default(),
            expires_at,
            revoked_at: None,
            version: 1,
            created_at: day(0),
        }
    }

    #[test]
    fn a_key_is_told_of_before_it_expires_and_when_it_is_old() {
        for (expires, today, due) in [
            (None, 90, None),
            (None, 91, Some(RotationDue::KeyIsOld(91))),
            (Some(day(200)), 50, None),
            (Some(day(200)), 185, Some(RotationDue::KeyIsOld(185))),
            (Some(day(200)), 186, Some(RotationDue::KeyExpires(day(200)))),
            (Some(day(200)), 200, None),
        ] {
            assert_eq!(RULES.of_key(&key(expires), day(today)), due, "{expires:?} {today}");
        }
        let revoked = ApiKey { revoked_at: Some(day(1)), ..key(None) };
        assert_eq!(RULES.of_key(&revoked, day(91)), None);
    }

    #[test]
    fn the_age_of_credentials_is_that_of_their_reference() {
        let (tenant, id) = (TenantId::from_uuid(Uuid::nil()), SourceId::from_uuid(Uuid::nil()));
        let saved = Timestamp::from_unix(NoContext, day(10).timestamp().unsigned_abs(), 0);
        let mut source = Source {
            id,
            tenant,
            name: "flights".parse().unwrap(),
            description: String::new(),
            connection: Connection::Sqlite(SqliteFile { path: String::new(), max_sessions: 1 }),
            connection_since: None,
            secret: Some(SecretRef::new(tenant, id, Uuid::new_v7(saved))),
            tags: Vec::new(),
            limits: Limits::default(),
            max_estimate: MaxEstimate::default(),
            allow_raw: false,
            allow_raw_writes: false,
            warnings: Vec::new(),
            version: 1,
            created_at: day(0),
            updated_at: day(0),
        };
        assert_eq!(RULES.of_source(&source, day(100)), None);
        assert_eq!(RULES.of_source(&source, day(101)), Some(RotationDue::CredentialsAreOld(91)));
        source.secret = None;
        assert_eq!(RULES.of_source(&source, day(1_000)), None);
    }
}
