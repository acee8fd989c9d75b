//! How does each type of PostgreSQL become a cell?
//!
//! The decoders read the binary formats of the server themselves: the driver's own panic on `timestamptz 'infinity'`,
//! round the scale of a `numeric` and know less than half of the types. What the formats below have no reader for is
//! cast by the server instead (see `readable.rs`).
//!
//! | type | cell |
//! |---|---|
//! | `int2` … `int8`, `oid`, `xid`, `xid8` | integer |
//! | `float4`, `float8` | float; a `float4` with its own digits, not those of the nearest `float8` |
//! | `numeric` | decimal with its scale; `NaN` and the infinities as text |
//! | `money` | decimal with two decimals |
//! | `date`, `time`, `timetz`, `timestamp`, `timestamptz` | RFC 3339 text; beyond it as `decode/temporal.rs` says |
//! | `interval` | ISO 8601 duration |
//! | `bytea` | bytes |
//! | `json`, `jsonb` | JSON |
//! | `hstore` | JSON object of strings |
//! | arrays | JSON, nested as deep as their dimensions; each element as it would be as a cell |
//! | composite types | JSON object of their fields, likewise |
//! | enums, domains | text; as their base type |
//! | everything else | PostgreSQL's own text |
//!
//! Text that is not UTF-8, which only a database of encoding `SQL_ASCII` holds, is given as bytes.

mod geometry;
mod nested;
mod network;
mod number;
mod reader;
mod temporal;
mod text_search;

use std::fmt::Write;

use tidegate_core::value::Cell;

pub(super) use self::reader::Malformed;
use self::reader::{Reader, utf8};
use super::types::Kind;

/// The cell of a value. `scratch` holds the text of it where the bytes do not; what was in it is lost.
pub(super) fn cell<'a>(kind: &Kind, bytes: &'a [u8], scratch: &'a mut String) -> Result<Cell<'a>, Malformed> {
    if let Some(cell) = direct(kind, bytes)? {
        return Ok(cell);
    }
    scratch.clear();
    Ok(match kind {
        Kind::Numeric if number::push_numeric(bytes, scratch)? => Cell::Decimal(scratch),
        Kind::Numeric => Cell::Text(scratch),
        Kind::Money => {
            number::push_money(bytes, scratch)?;
            Cell::Decimal(scratch)
        }
        Kind::Array(_) | Kind::Composite(_) | Kind::Hstore => {
            nested::push_json(kind, bytes, scratch)?;
            Cell::Json(scratch)
        }
        _ => {
            push_text(kind, bytes, scratch)?;
            Cell::Text(scratch)
        }
    })
}

/// The cell of a value that needs no text made for it.
fn direct<'a>(kind: &Kind, bytes: &'a [u8]) -> Result<Option<Cell<'a>>, Malformed> {
    let mut reader = Reader::new(bytes);
    let cell = match kind {
        Kind::Boolean => Cell::Boolean(reader.u8()? != 0),
        Kind::Int2 => Cell::Integer(i64::from(reader.i16()?)),
        Kind::Int4 => Cell::Integer(i64::from(reader.i32()?)),
        Kind::Int8 => Cell::Integer(reader.i64()?),
        Kind::Unsigned4 => Cell::Unsigned(u64::from(reader.u32()?)),
        Kind::Unsigned8 => Cell::Unsigned(reader.u64()?),
        Kind::Float4 => Cell::Float(number::widen(f32::from_bits(reader.u32()?))),
        Kind::Float8 => Cell::Float(reader.f64()?),
        Kind::Text => text_or_bytes(reader.rest()),
        Kind::VersionedText => text_or_bytes(versioned(reader.rest())?),
        Kind::Bytea => Cell::Bytes(reader.rest()),
        Kind::Json => Cell::Json(utf8(reader.rest())?),
        Kind::Jsonb => Cell::Json(utf8(versioned(reader.rest())?)?),
        _ => return Ok(None),
    };
    reader.end()?;
    Ok(Some(cell))
}

/// Writes the text of a value that is neither [`direct`] nor a number nor JSON.
fn push_text(kind: &Kind, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    match kind {
        Kind::Char => push_char(reader.u8()?, out),
        Kind::Date => temporal::push_date(reader.i32()?, out),
        Kind::Time => temporal::push_time(reader.i64()?, out)?,
        Kind::Timetz => temporal::push_timetz(&mut reader, out)?,
        Kind::Timestamp => temporal::push_timestamp(reader.i64()?, temporal::RFC_3339, out),
        Kind::Timestamptz => temporal::push_timestamp(reader.i64()?, temporal::RFC_3339_UTC, out),
        Kind::Interval => temporal::push_interval(&mut reader, out)?,
        Kind::Uuid => {
            let bytes: [u8; 16] = reader.rest().try_into().map_err(|_| Malformed)?;
            let mut buffer = uuid::Uuid::encode_buffer();
            out.push_str(uuid::Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut buffer));
        }
        Kind::Inet => network::push_inet(&mut reader, out)?,
        Kind::Macaddr => network::push_macaddr(reader.rest(), out)?,
        Kind::Bit => push_bits(&mut reader, out)?,
        Kind::Point => geometry::push_point(&mut reader, out)?,
        Kind::Line => geometry::push_line(&mut reader, out)?,
        Kind::Segment => geometry::push_segment(&mut reader, out)?,
        Kind::Box => geometry::push_box(&mut reader, out)?,
        Kind::Path => geometry::push_path(&mut reader, out)?,
        Kind::Polygon => geometry::push_polygon(&mut reader, out)?,
        Kind::Circle => geometry::push_circle(&mut reader, out)?,
        Kind::LogPosition => {
            let position = reader.u64()?;
            // Writing to a string cannot fail.
            let _ = write!(out, "{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF);
        }
        Kind::TupleId => {
            let (block, offset) = (reader.u32()?, reader.u16()?);
            let _ = write!(out, "({block},{offset})");
        }
        Kind::TextSearchVector => text_search::push_vector(&mut reader, out)?,
        Kind::Range(bound) => return nested::push_range(bound, bytes, out),
        _ => return Err(Malformed),
    }
    reader.end()
}

fn text_or_bytes(bytes: &[u8]) -> Cell<'_> {
    utf8(bytes).map_or(Cell::Bytes(bytes), Cell::Text)
}

/// What follows the version byte, which has been 1 for as long as there is one.
fn versioned(bytes: &[u8]) -> Result<&[u8], Malformed> {
    match bytes.split_first() {
        Some((1, rest)) => Ok(rest),
        _ => Err(Malformed),
    }
}

/// Writes a `"char"`: nothing for zero, an octal escape for what is not ASCII.
fn push_char(byte: u8, out: &mut String) {
    match byte {
        0 => {}
        1..=127 => out.push(char::from(byte)),
        _ => {
            let _ = write!(out, "\\{byte:03o}");
        }
    }
}

/// Writes a `bit` or `varbit`: a count of bits, then the bits, the first one highest.
fn push_bits(reader: &mut Reader<'_>, out: &mut String) -> Result<(), Malformed> {
    let count = reader.count()?;
    let bytes = reader.take(count.div_ceil(8))?;
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    out.extend(bits.take(count).map(|bit| if bit { '1' } else { '0' }));
    Ok(())
}

#[cfg(test)]
mod tests;
