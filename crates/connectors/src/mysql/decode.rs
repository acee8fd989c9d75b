//! How a value of the binary protocol becomes a cell.
//!
//! The driver's own decoders are not used: they refuse values that the server may well send, such as zero dates. Here every
//! byte string becomes a cell; what does not have the form of its type is given as bytes.

use std::fmt::Write;

use serde::de::IgnoredAny;
use sqlx::{Decode, MySql, Row, mysql::MySqlRow};
use tidegate_core::{result::RowSink, value::Cell};

use super::types::Encoding;

/// Sends the cells of a row. `scratch` is the buffer of values that are rendered.
pub(super) fn row(row: &MySqlRow, encodings: &[Encoding], scratch: &mut String, sink: &mut impl RowSink) -> usize {
    let mut size = 0;
    for (index, &encoding) in encodings.iter().enumerate() {
        let bytes = bytes(row, index);
        size += bytes.map_or(0, <[u8]>::len);
        sink.cell(bytes.map_or(Cell::Null, |bytes| cell(encoding, bytes, scratch)));
    }
    size
}

/// The bytes of a value; `None` for NULL.
pub(super) fn bytes(row: &MySqlRow, index: usize) -> Option<&[u8]> {
    // Reading a byte string is the identity, and fails for NULL only.
    row.try_get_raw(index).ok().and_then(|value| <&[u8] as Decode<MySql>>::decode(value).ok())
}

/// A name or comment of the catalog. MySQL sends some of these as binary strings, which the driver would refuse to read as
/// text.
pub(super) fn text(row: &MySqlRow, index: usize) -> Option<String> {
    bytes(row, index).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn cell<'a>(encoding: Encoding, bytes: &'a [u8], scratch: &'a mut String) -> Cell<'a> {
    let decoded = match encoding {
        Encoding::Null => None,
        Encoding::Signed => signed(bytes).map(Cell::Integer),
        Encoding::Unsigned => unsigned(bytes).map(Cell::Unsigned),
        Encoding::Bit => bits(bytes).map(Cell::Unsigned),
        Encoding::Float => bytes.try_into().ok().map(f32::from_le_bytes).map(shortest).map(Cell::Float),
        Encoding::Double => bytes.try_into().ok().map(f64::from_le_bytes).map(Cell::Float),
        Encoding::Decimal => std::str::from_utf8(bytes).ok().and_then(decimal).map(Cell::Decimal),
        Encoding::Text => std::str::from_utf8(bytes).ok().map(Cell::Text),
        Encoding::Bytes => Some(Cell::Bytes(bytes)),
        Encoding::Json => json(bytes),
        Encoding::Date | Encoding::Datetime | Encoding::Timestamp | Encoding::Time => {
            scratch.clear();
            let rendered = match encoding {
                Encoding::Date => date(bytes, scratch),
                Encoding::Time => time(bytes, scratch),
                _ => datetime(bytes, scratch),
            };
            if encoding == Encoding::Timestamp {
                // Every session runs in UTC, where the server turns its points in time.
                scratch.push('Z');
            }
            rendered.map(|()| Cell::Text(scratch))
        }
    };
    decoded.unwrap_or(Cell::Bytes(bytes))
}

fn signed(bytes: &[u8]) -> Option<i64> {
    match *bytes {
        [a] => Some(i64::from(i8::from_le_bytes([a]))),
        [a, b] => Some(i64::from(i16::from_le_bytes([a, b]))),
        [a, b, c, d] => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
        _ => bytes.try_into().ok().map(i64::from_le_bytes),
    }
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    match *bytes {
        [a] => Some(u64::from(a)),
        [a, b] => Some(u64::from(u16::from_le_bytes([a, b]))),
        [a, b, c, d] => Some(u64::from(u32::from_le_bytes([a, b, c, d]))),
        _ => bytes.try_into().ok().map(u64::from_le_bytes),
    }
}

/// A bit string, which comes with its highest byte first.
fn bits(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// The double nearest to the shortest decimal that reads back as this float. A plain conversion of 0.1 would show
/// 0.10000000149011612.
fn shortest(float: f32) -> f64 {
    if float.is_finite() {
        ryu::Buffer::new().format_finite(float).parse().unwrap_or(f64::from(float))
    } else {
        f64::from(float)
    }
}

/// A decimal in the notation of JSON. The leading zeros that `zerofill` asks for are not part of its value.
fn decimal(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !fraction.is_none_or(is_digits) {
        return None;
    }
    let zeros = whole.bytes().take_while(|&byte| byte == b'0').count().min(whole.len() - 1);
    if zeros == 0 { Some(text) } else { text.get(zeros..).filter(|_| !text.starts_with('-')) }
}

/// A JSON document that the answer may embed as it is; text that only claims to be one stays text.
fn json(bytes: &[u8]) -> Option<Cell<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_valid = serde_json::from_str::<IgnoredAny>(text).is_ok();
    Some(if is_valid { Cell::Json(text) } else { Cell::Text(text) })
}

/// A length byte, then year, month and day. Without them it is the zero date.
fn date(bytes: &[u8], out: &mut String) -> Option<()> {
    let (year, month, day) = match *bytes {
        [0] => (0, 0, 0),
        [4, low, high, month, day] => (u16::from_le_bytes([low, high]), month, day),
        _ => return None,
    };
    write!(out, "{year:04}-{month:02}-{day:02}").ok()
}

/// A length byte, then a date, a time of day and microseconds; what is zero at the end is left out.
fn datetime(bytes: &[u8], out: &mut String) -> Option<()> {
    let (&length, rest) = bytes.split_first()?;
    if usize::from(length) != rest.len() {
        return None;
    }
    let (year, month, day, time) = match *rest {
        [] => (0, 0, 0, rest),
        [low, high, month, day, ref time @ ..] => (u16::from_le_bytes([low, high]), month, day, time),
        _ => return None,
    };
    write!(out, "{year:04}-{month:02}-{day:02}T").ok()?;
    match time {
        [] => out.write_str("00:00:00").ok(),
        &[hour, minute, second, ref micros @ ..] => {
            write!(out, "{hour:02}:{minute:02}:{second:02}").ok()?;
            fraction(micros, out)
        }
        _ => None,
    }
}

/// A length byte, then a sign, days, hours, minutes, seconds and microseconds; what is zero at the end is left out.
fn time(bytes: &[u8], out: &mut String) -> Option<()> {
    let (&length, rest) = bytes.split_first()?;
    if usize::from(length) != rest.len() {
        return None;
    }
    match *rest {
        [] => out.write_str("00:00:00").ok(),
        [negative, a, b, c, d, hour, minute, second, ref micros @ ..] => {
            let hours = u64::from(u32::from_le_bytes([a, b, c, d])) * 24 + u64::from(hour);
            let sign = if negative == 0 { "" } else { "-" };
            write!(out, "{sign}{hours:02}:{minute:02}:{second:02}").ok()?;
            fraction(micros, out)
        }
        _ => None,
    }
}

fn fraction(micros: &[u8], out: &mut String) -> Option<()> {
    match micros {
        [] => Some(()),
        _ => write!(out, ".{:06}", u32::from_le_bytes(micros.try_into().ok()?)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENCODINGS: [Encoding; 14] = [
        Encoding::Null,
        Encoding::Signed,
        Encoding::Unsigned,
        Encoding::Bit,
        Encoding::Float,
        Encoding::Double,
        Encoding::Decimal,
        Encoding::Text,
        Encoding::Bytes,
        Encoding::Json,
        Encoding::Date,
        Encoding::Datetime,
        Encoding::Timestamp,
        Encoding::Time,
    ];

    fn rendered(encoding: Encoding, bytes: &[u8]) -> String {
        let mut scratch = String::from("what another cell left");
        format!("{:?}", cell(encoding, bytes, &mut scratch))
    }

    #[test]
    fn values_keep_their_digits() {
        for (encoding, bytes, expected) in [
            (Encoding::Signed, &[0x80][..], "Integer(-128)"),
            (Encoding::Signed, &i64::MIN.to_le_bytes(), "Integer(-9223372036854775808)"),
            (Encoding::Unsigned, &u64::MAX.to_le_bytes(), "Unsigned(18446744073709551615)"),
            (Encoding::Bit, &[0x01, 0x00], "Unsigned(256)"),
            (Encoding::Bit, &[0xff; 8], "Unsigned(18446744073709551615)"),
            (Encoding::Float, &0.1_f32.to_le_bytes(), "Float(0.1)"),
            (Encoding::Double, &1e300_f64.to_le_bytes(), "Float(1e300)"),
            (Encoding::Decimal, b"-0.10", r#"Decimal("-0.10")"#),
            (Encoding::Decimal, b"0000001.50", r#"Decimal("1.50")"#),
            (Encoding::Decimal, b"0000.00", r#"Decimal("0.00")"#),
            (Encoding::Json, br#"{"a":1.10}"#, r#"Json("{\"a\":1.10}")"#),
            (Encoding::Json, b"{", r#"Text("{")"#),
            (Encoding::Date, &[4, 0xe8, 0x07, 5, 0], r#"Text("2024-05-00")"#),
            (Encoding::Date, &[0], r#"Text("0000-00-00")"#),
            (Encoding::Datetime, &[0], r#"Text("0000-00-00T00:00:00")"#),
            (Encoding::Datetime, &[4, 0xe8, 0x07, 5, 6], r#"Text("2024-05-06T00:00:00")"#),
            (Encoding::Timestamp, &[7, 0xe8, 0x07, 5, 6, 7, 8, 9], r#"Text("2024-05-06T07:08:09Z")"#),
            (Encoding::Datetime, &[11, 0xe8, 0x07, 5, 6, 7, 8, 9, 1, 0, 0, 0], r#"Text("2024-05-06T07:08:09.000001")"#),
            (Encoding::Time, &[0], r#"Text("00:00:00")"#),
            (Encoding::Time, &[8, 1, 34, 0, 0, 0, 22, 59, 59], r#"Text("-838:59:59")"#),
        ] {
            assert_eq!(rendered(encoding, bytes), expected, "{encoding:?} {bytes:?}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_its_type_is_given_as_bytes() {
        for (encoding, bytes) in [
            (Encoding::Signed, &[1, 2, 3][..]),
            (Encoding::Decimal, b"1e5"),
            (Encoding::Decimal, b"-001"),
            (Encoding::Decimal, b"1."),
            (Encoding::Text, b"\xff"),
            (Encoding::Date, &[4, 0]),
            (Encoding::Datetime, &[4, 1, 2, 3, 4, 5]),
            (Encoding::Timestamp, &[8, 1, 2, 3, 4, 5, 6, 7, 8]),
            (Encoding::Time, &[3, 1, 2, 3]),
        ] {
            assert_eq!(rendered(encoding, bytes), format!("{:?}", Cell::Bytes(bytes)), "{encoding:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_become_a_cell(
            encoding in prop::sample::select(&ENCODINGS[..]),
            bytes in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            rendered(encoding, &bytes);
        }

        #[test]
        fn a_decimal_is_a_json_number(text in "[-0-9.]{0,12}") {
            if let Some(decimal) = decimal(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Number>(decimal).is_ok(), "{text} became {decimal}");
            }
        }

        #[test]
        fn a_float_reads_back_as_the_same_float(float in any::<f32>()) {
            #[expect(clippy::cast_possible_truncation, reason = "that is the claim")]
            let back = shortest(float) as f32;
            prop_assert!(back == float || float.is_nan());
        }
    }
}
