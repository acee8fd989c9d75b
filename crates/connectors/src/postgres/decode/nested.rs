//! Values that consist of other values: arrays, composites and maps as JSON, ranges as PostgreSQL's text.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_core::value::{Cell, MAX_SAFE_INTEGER};

use super::{
    Kind, direct, number, push_text,
    reader::{Malformed, Reader, utf8},
    temporal,
};

/// The most dimensions PostgreSQL gives an array.
const MAX_DIMENSIONS: usize = 6;

/// How many characters a nested value may become beyond `MAX_GROWTH` for each of its bytes. Ten bytes of a `numeric` can
/// be 131,072 digits, and thousands of them would fill the memory.
const MAX_BEYOND: usize = 4 << 20;
const MAX_GROWTH: usize = 32;

/// How long the text may be behind a value of these bytes.
fn limit(bytes: &[u8], out: &str) -> usize {
    out.len() + MAX_BEYOND + MAX_GROWTH * bytes.len()
}

/// Writes a value as JSON, in the same form as it has as a cell.
pub(super) fn push_json(kind: &Kind, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    match kind {
        Kind::Array(element) => push_array(element, bytes, out),
        Kind::Composite(fields) => push_composite(fields, bytes, out),
        Kind::Hstore => push_hstore(bytes, out),
        // A decimal is a string, which nobody rounds.
        Kind::Money => push_quoted(out, |out| number::push_money(bytes, out)),
        Kind::Numeric => push_quoted(out, |out| number::push_numeric(bytes, out).map(drop)),
        _ => match direct(kind, bytes)? {
            Some(cell) => push_cell(cell, out),
            None => push_quoted(out, |out| push_text(kind, bytes, out)),
        },
    }
}

fn push_optional(kind: &Kind, bytes: Option<&[u8]>, limit: usize, out: &mut String) -> Result<(), Malformed> {
    match bytes {
        Some(bytes) => push_json(kind, bytes, out)?,
        None => out.push_str("null"),
    }
    if out.len() > limit { Err(Malformed) } else { Ok(()) }
}

/// Writes a cell as JSON, in the form that the engine gives it. What the engine writes is bytes, which a `String` takes
/// only after a check that they are text.
fn push_cell(cell: Cell<'_>, out: &mut String) -> Result<(), Malformed> {
    match cell {
        Cell::Null => out.push_str("null"),
        Cell::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
        Cell::Integer(value) => push_integer(itoa::Buffer::new().format(value), value.unsigned_abs(), out),
        Cell::Unsigned(value) => push_integer(itoa::Buffer::new().format(value), value, out),
        Cell::Float(value) if value.is_finite() => out.push_str(ryu::Buffer::new().format_finite(value)),
        Cell::Float(value) => {
            out.push('"');
            number::push_float(value, out);
            out.push('"');
        }
        Cell::Json(text) => out.push_str(text),
        Cell::Decimal(text) | Cell::Text(text) => push_string(text, out)?,
        Cell::Bytes(bytes) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
    }
    Ok(())
}

/// Writes a whole number; as a string when it is one that many readers of JSON would round.
fn push_integer(digits: &str, magnitude: u64, out: &mut String) {
    let quote = if magnitude > MAX_SAFE_INTEGER { "\"" } else { "" };
    out.push_str(quote);
    out.push_str(digits);
    out.push_str(quote);
}

fn push_string(text: &str, out: &mut String) -> Result<(), Malformed> {
    push_quoted(out, |out| {
        out.push_str(text);
        Ok(())
    })
}

/// Writes a JSON string of what `write` writes. Text that needs no escape, the usual case, is not copied.
fn push_quoted(out: &mut String, write: impl FnOnce(&mut String) -> Result<(), Malformed>) -> Result<(), Malformed> {
    out.push('"');
    let start = out.len();
    write(out)?;
    let needs_escape = |byte: &u8| matches!(byte, 0..=0x1F | b'"' | b'\\');
    if out.as_bytes().iter().skip(start).any(needs_escape) {
        for character in out.split_off(start).chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..='\x1F' => {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{:04x}", u32::from(character));
                }
                _ => out.push(character),
            }
        }
    }
    out.push('"');
    Ok(())
}

/// An array: its dimensions, then its elements with those of the last dimension side by side.
fn push_array(element: &Kind, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let dimensions = reader.count()?;
    let _has_nulls = reader.i32()?;
    let _element_type = reader.u32()?;
    if dimensions > MAX_DIMENSIONS {
        return Err(Malformed);
    }
    let mut lengths = [0; MAX_DIMENSIONS];
    let mut elements = usize::from(dimensions > 0);
    for length in lengths.iter_mut().take(dimensions) {
        *length = reader.count()?;
        elements = elements.checked_mul(*length).ok_or(Malformed)?;
        let _lower_bound = reader.i32()?;
    }
    // Each element has a length of four bytes, so that no count can make this loop longer than the bytes are.
    if elements > reader.remaining() / 4 {
        return Err(Malformed);
    }
    if elements == 0 {
        out.push_str("[]");
    } else {
        let limit = limit(bytes, out);
        push_dimension(element, lengths.get(..dimensions).ok_or(Malformed)?, &mut reader, limit, out)?;
    }
    reader.end()
}

fn push_dimension(
    element: &Kind,
    lengths: &[usize],
    reader: &mut Reader<'_>,
    limit: usize,
    out: &mut String,
) -> Result<(), Malformed> {
    let Some((length, inner)) = lengths.split_first() else {
        return push_optional(element, reader.value()?, limit, out);
    };
    out.push('[');
    for index in 0..*length {
        if index > 0 {
            out.push(',');
        }
        push_dimension(element, inner, reader, limit, out)?;
    }
    out.push(']');
    Ok(())
}

/// A composite: a count, then each field's type and value.
fn push_composite(fields: &[(String, Kind)], bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.count()? != fields.len() {
        return Err(Malformed);
    }
    let limit = limit(bytes, out);
    out.push('{');
    for (index, (name, kind)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(name, out)?;
        out.push(':');
        let _field_type = reader.u32()?;
        push_optional(kind, reader.value()?, limit, out)?;
    }
    out.push('}');
    reader.end()
}

/// An `hstore`: a count, then each key and value, both text.
fn push_hstore(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let pairs = reader.count()?;
    let limit = limit(bytes, out);
    out.push('{');
    for index in 0..pairs {
        if index > 0 {
            out.push(',');
        }
        push_string(utf8(reader.value()?.ok_or(Malformed)?)?, out)?;
        out.push(':');
        push_optional(&Kind::Text, reader.value()?, limit, out)?;
    }
    out.push('}');
    reader.end()
}

/// A range: flags, then the bounds there are.
pub(super) fn push_range(bound: &Kind, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    const EMPTY: u8 = 0x01;
    const LOWER_INCLUSIVE: u8 = 0x02;
    const UPPER_INCLUSIVE: u8 = 0x04;
    const LOWER_INFINITE: u8 = 0x08;
    const UPPER_INFINITE: u8 = 0x10;
    let mut reader = Reader::new(bytes);
    let flags = reader.u8()?;
    if flags & EMPTY != 0 {
        out.push_str("empty");
        return reader.end();
    }
    out.push(if flags & LOWER_INCLUSIVE != 0 { '[' } else { '(' });
    if flags & LOWER_INFINITE == 0 {
        push_bound(bound, reader.value()?.ok_or(Malformed)?, out)?;
    }
    out.push(',');
    if flags & UPPER_INFINITE == 0 {
        push_bound(bound, reader.value()?.ok_or(Malformed)?, out)?;
    }
    out.push(if flags & UPPER_INCLUSIVE != 0 { ']' } else { ')' });
    reader.end()
}

/// A bound in PostgreSQL's own text, in double quotes where that text has a character that parts bounds.
fn push_bound(kind: &Kind, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let start = out.len();
    match kind {
        Kind::Timestamp => temporal::push_timestamp(Reader::new(bytes).i64()?, temporal::POSTGRES, out),
        Kind::Timestamptz => temporal::push_timestamp(Reader::new(bytes).i64()?, temporal::POSTGRES_UTC, out),
        Kind::Numeric => {
            number::push_numeric(bytes, out)?;
        }
        _ => match direct(kind, bytes)? {
            Some(Cell::Text(text)) => out.push_str(text),
            Some(Cell::Integer(value)) => out.push_str(itoa::Buffer::new().format(value)),
            Some(Cell::Unsigned(value)) => out.push_str(itoa::Buffer::new().format(value)),
            Some(Cell::Float(value)) => number::push_float(value, out),
            Some(cell) => push_cell(cell, out)?,
            None => push_text(kind, bytes, out)?,
        },
    }
    let parts_bounds =
        |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b'[' | b']' | b',') || byte.is_ascii_whitespace();
    let written = out.as_bytes().get(start..).unwrap_or_default();
    if written.is_empty() || written.iter().any(parts_bounds) {
        let text = out.split_off(start);
        out.push('"');
        for character in text.chars() {
            if matches!(character, '"' | '\\') {
                out.push(character);
            }
            out.push(character);
        }
        out.push('"');
    }
    Ok(())
}
