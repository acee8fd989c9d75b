//! The decoders, for whoever gives them bytes that no server sends.

use tidegate_core::value::Cell;

use super::{decode, types::Kind};

/// How deep types are nested.
const MAX_DEPTH: usize = 4;

/// Decodes a value: the first bytes of the input say of which type, the others are its bytes. None when these are not
/// in the format of the type. `json` and `jsonb` are left out, since the server's own text is passed on unread.
pub fn decode<'a>(input: &'a [u8], scratch: &'a mut String) -> Option<Cell<'a>> {
    let (kind, bytes) = kind(input, 0)?;
    decode::cell(&kind, bytes, scratch).ok()
}

fn kind(input: &[u8], depth: usize) -> Option<(Kind, &[u8])> {
    let (first, rest) = input.split_first()?;
    if depth == MAX_DEPTH {
        return Some((Kind::Text, rest));
    }
    Some(match first {
        0 => (Kind::Boolean, rest),
        1 => (Kind::Int2, rest),
        2 => (Kind::Int4, rest),
        3 => (Kind::Int8, rest),
        4 => (Kind::Unsigned4, rest),
        5 => (Kind::Unsigned8, rest),
        6 => (Kind::Float4, rest),
        7 => (Kind::Float8, rest),
        8 => (Kind::Numeric, rest),
        9 => (Kind::Money, rest),
        10 => (Kind::Text, rest),
        11 => (Kind::VersionedText, rest),
        12 => (Kind::Char, rest),
        13 => (Kind::Bytea, rest),
        14 => (Kind::Date, rest),
        15 => (Kind::Time, rest),
        16 => (Kind::Timetz, rest),
        17 => (Kind::Timestamp, rest),
        18 => (Kind::Timestamptz, rest),
        19 => (Kind::Interval, rest),
        20 => (Kind::Uuid, rest),
        21 => (Kind::Inet, rest),
        22 => (Kind::Macaddr, rest),
        23 => (Kind::Bit, rest),
        24 => (Kind::Point, rest),
        25 => (Kind::Line, rest),
        26 => (Kind::Segment, rest),
        27 => (Kind::Box, rest),
        28 => (Kind::Path, rest),
        29 => (Kind::Polygon, rest),
        30 => (Kind::Circle, rest),
        31 => (Kind::LogPosition, rest),
        32 => (Kind::TupleId, rest),
        33 => (Kind::TextSearchVector, rest),
        34 => (Kind::Hstore, rest),
        35..=79 => {
            let (element, rest) = kind(rest, depth + 1)?;
            (Kind::Array(Box::new(element)), rest)
        }
        80..=119 => {
            let (bound, rest) = kind(rest, depth + 1)?;
            (Kind::Range(Box::new(bound)), rest)
        }
        120..=159 => {
            let mut rest = rest;
            let mut fields = Vec::new();
            for index in 0..first % 4 {
                let (field, behind) = kind(rest, depth + 1)?;
                fields.push((format!("{index}\"\\"), field));
                rest = behind;
            }
            (Kind::Composite(fields.into()), rest)
        }
        160.. => (Kind::Text, rest),
    })
}
