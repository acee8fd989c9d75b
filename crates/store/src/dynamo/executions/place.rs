//! Places in the history.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use tidegate_core::{Error, ErrorCode};
use uuid::Uuid;

/// Where a UUIDv7 has its milliseconds since 1970: above this bit, 48 bits wide.
const MILLIS_SHIFT: u32 = 80;

/// The first UUIDv7 of a moment.
pub(super) fn first_at(moment: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(moment.timestamp_millis()).unwrap_or(0);
    later(Uuid::nil(), millis)
}

/// The UUIDv7 that is so many milliseconds later, or the last there is.
pub(super) fn later(uuid: Uuid, millis: u64) -> Uuid {
    let most = u128::MAX >> MILLIS_SHIFT;
    let millis = u128::from(millis).min(most) << MILLIS_SHIFT;
    Uuid::from_u128(uuid.as_u128().saturating_add(millis))
}

/// Where a page ends: in this item, behind the executions whose ids are not less than `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The key of the item.
    pub(super) item: Uuid,
    /// The id of the last execution of the page; nil when the item is read to its end.
    pub(super) before: Uuid,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.item.simple(), self.before.simple())
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.split_at_checked(32).and_then(|(item, before)| {
            Some(Self { item: Uuid::try_parse(item).ok()?, before: Uuid::try_parse(before).ok()? })
        });
        parsed.ok_or_else(|| {
            Error::new(ErrorCode::InvalidCursor, "this cursor is not one that the history gave; begin without one")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back() {
        let place = Place { item: Uuid::now_v7(), before: Uuid::now_v7() };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for text in ["", "x", "é", &"0".repeat(32), &"g".repeat(64), &"0".repeat(65)] {
            assert_eq!(text.parse::<Place>().unwrap_err().code(), ErrorCode::InvalidCursor, "{text}");
        }
    }

    #[test]
    fn a_moment_begins_with_its_first_id() {
        let id = Uuid::now_v7();
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        let moment = DateTime::from_timestamp(seconds.try_into().unwrap(), nanos).unwrap();
        assert!(first_at(moment) <= id && id < later(first_at(moment), 1));
        assert_eq!(first_at(DateTime::<Utc>::MIN_UTC), Uuid::nil());
        assert!(first_at(DateTime::<Utc>::MAX_UTC) > id);
        assert_eq!(later(Uuid::max(), 1), Uuid::max());
    }
}
