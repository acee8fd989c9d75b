//! The names people give to what they register. A name is unique in its tenant and kind.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{Error, ErrorCode};

/// The longest name, in bytes. An MCP tool name may have 128; a prefix has to fit as well.
pub const MAX_NAME_LENGTH: usize = 64;

/// A name: 1 to 64 characters of `a-z`, `0-9`, `_` and `-`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[a-z][a-z0-9_-]{0,63}$", example = "flights_by_carrier")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut characters = text.bytes();
        let begins_well = characters.next().is_some_and(|c| c.is_ascii_lowercase());
        let goes_on_well = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-');
        if begins_well && goes_on_well && text.len() <= MAX_NAME_LENGTH {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::new(
                ErrorCode::InvalidRequest,
                format!(
                    "`{}` is not a name: use 1 to {MAX_NAME_LENGTH} of a-z, 0-9, _ and -, beginning with a letter",
                    text.chars().take(MAX_NAME_LENGTH).collect::<String>()
                ),
            ))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}

/// The candidate nearest to `given` when it is near enough to be what was meant: a few letters off, or the same
/// beginning.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = 1 + given.len() / 4;
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(given, candidate), candidate))
        .filter(|(score, candidate)| *score > 0.8 || strsim::damerau_levenshtein(given, candidate) <= slips)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "flights", "a-b_c9", &"a".repeat(64)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "A", "9a", "_a", "a b", "é", "a/b", &"a".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nearest_is_near() {
        assert_eq!(nearest("carier", ["carrier", "origin"]), Some("carrier"));
        assert_eq!(nearest("tga", ["kind", "tag"]), Some("tag"));
        assert_eq!(nearest("zzz", ["carrier", "origin"]), None);
    }
}
